"""The device's sources are the same in a checkout and in the agent's zip."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from strixkit.rehearsal.sources import NAMES, sources
from strixkit.remote.bundle import bundle

NATIVE = Path(__file__).parents[3] / "native/rehearsal"


def test_every_file_is_named() -> None:
    assert sorted(NAMES) == sorted(path.name for path in NATIVE.glob("*.[ch]"))


def test_the_agents_zip_has_them_and_what_compiles_them(tmp_path: Path) -> None:
    """Read there as the box does, with nothing but the standard library."""
    path = tmp_path / "agent.zip"
    path.write_bytes(bundle())
    code = (
        f"import sys; sys.path.insert(0, {str(path)!r})\n"
        "import hashlib; from strixkit.rehearsal import child\n"
        "from strixkit.rehearsal.sources import sources\n"
        "print(hashlib.sha256(repr(sources()).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == hashlib.sha256(repr(sources()).encode()).hexdigest()
