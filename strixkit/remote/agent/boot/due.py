"""What is to be made again from files that were changed: said before the first change, until it is made.

So a run that was cut off in between is seen by the next look, even where no difference of the files would show it.
"""

from __future__ import annotations

import contextlib
import os

from strixkit.remote.agent import atomic, paths
from strixkit.remote.agent.machine import Machine

INITRAMFS = paths.STATE + "/initramfs-due"
GRUB_CFG = paths.STATE + "/grub-cfg-due"
WORDS = "older than what it is made of"


def said(machine: Machine, what: str) -> str:
    """What is wrong, in words; empty: nothing."""
    return WORDS if machine.exists(what) else ""


def begin(what: str) -> None:
    """Before the first change."""
    os.makedirs(paths.STATE, mode=0o755, exist_ok=True)
    atomic.write(what, b"", 0o600)


def end(what: str) -> None:
    """It is made."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(what)
