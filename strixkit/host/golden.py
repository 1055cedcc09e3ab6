"""The tiny model whose answer every build must compute, as a file on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strixkit import golden
from strixkit.errors import InputError
from strixkit.host import cache


@dataclass(frozen=True)
class Golden:
    """A recorded completion and its model. size in bytes."""

    path: Path
    size: int
    sha256: str
    expected: dict[str, Any]

    def spec(self, path: str) -> dict[str, Any]:
        """What the agent compares, with the model at `path` on the box."""
        return {"model": path, "argv": self.expected["arguments"], "expected": self.expected}


def golden_of(loads: str) -> Golden:
    """The one for what a runtime loads. Raises InputError: none was recorded, or its file is not the recorded one."""
    expected = golden.expected(loads)
    if expected is None:
        raise InputError(f"no golden completion was recorded for runtimes that load {loads}")
    path = golden.model(loads)
    sha256 = cache.sha256(path)
    if sha256 != expected["sha256"]:
        raise InputError(
            f"{path} has sha256 {sha256}, wanted {expected['sha256']}", hint="git checkout strixkit/golden"
        )
    return Golden(path, path.stat().st_size, sha256, expected)
