"""Pure: does the live process of a release run what the release's manifest says?"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any

from strixkit.resources.base import Answer

SECRET_FLAG = re.compile(r"-.*(key|token|secret|password)", re.IGNORECASE)


def difference(manifest: dict[str, Any], release: str, unit_name: str, answer: Answer) -> tuple[str, str] | None:
    """What it runs and what it should run, in words; None when they agree. The first difference is enough."""
    process = answer["unit"].get("process") or {}
    by = _by_drop_ins(answer["unit"])
    if (runs := process.get("digest", "")) != release:
        return f"runs release {runs or 'unknown'}{by}", release
    if process.get("exe", "").endswith(" (deleted)"):
        return "runs a binary that was replaced", "the binary on disk"
    if manifest.get("argv") and (odd := _odd_argument(process.get("argv", []), expected(manifest["argv"], unit_name))):
        return f"runs other arguments: {odd[0]}{by}", odd[1]
    if answer.get("binary") and process.get("exe") != answer["binary"]:
        return f"runs {process.get('exe')}{by}", str(answer["binary"])
    if answer.get("loaded") is False:
        return "was started with another API key", "the key in its file"
    return None


def expected(argv: list[str], unit_name: str) -> list[str]:
    """The arguments as the process has them: systemd has put the credential's folder in place of `%d`."""
    credentials = f"/run/credentials/{unit_name}"
    return [credentials + word.removeprefix("%d") if word.startswith("%d/") else word for word in argv]


def _odd_argument(found: list[str], wanted: list[str]) -> tuple[str, str] | None:
    """The first argument that differs, in each of both; what may be a secret is not shown."""
    before = ""
    for has, should in zip_longest(found, wanted):
        if has != should:
            return _shown(before, has), _shown(before, should)
        before = str(has)
    return None


def _shown(before: str, word: str | None) -> str:
    if word is None:
        return f"nothing after {before}"
    secret = SECRET_FLAG.match(before) or (SECRET_FLAG.match(word) and "=" in word)
    return f"{before} {'***' if secret else word}".strip()


def _by_drop_ins(unit: Answer) -> str:
    """A drop-in is legitimate; only when something differs is it worth a look."""
    paths = unit.get("drop_ins", [])
    return f" (there are drop-ins: {', '.join(paths)})" if paths else ""
