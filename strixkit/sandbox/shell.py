"""Running the system's own tools as root, with their words in the error."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strixkit.errors import InputError, StrixError

STATE = Path("/var/lib/strixkit-sandbox")


def need_root() -> None:
    """Raise InputError unless this process is root."""
    if os.geteuid() != 0:
        raise InputError("embedded boxes need root (mounts, a bridge, systemd-nspawn)", hint="the same with sudo")


def run(*argv: str, stdin: str | None = None) -> str:
    """Run a tool and return its output. Raises StrixError with what it said."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StrixError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Whether a tool exits with 0."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@contextmanager
def locked(name: str = "lock") -> Iterator[None]:
    """One command on the boxes at a time; other work has a lock of another name."""
    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (STATE / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
