"""/etc/kernel/cmdline: what kernel-install gives to the kernels that it installs from now on."""

from __future__ import annotations

import os
from typing import Optional

from strixkit.remote.agent import atomic, backup
from strixkit.remote.agent.machine import Machine
from strixkit.resources.command_line import split, words

PATH = "/etc/kernel/cmdline"
FALLBACKS = ("/usr/lib/kernel/cmdline", "/proc/cmdline")  # in this order, where PATH is not there
OF_THIS_BOOT = ("BOOT_IMAGE", "initrd")  # kernel-install leaves them out as well


def line(machine: Machine) -> Optional[str]:
    """Its arguments in one line, without comments; None where there is no such file."""
    text = machine.whole(PATH)
    return None if text is None else _line(text)


def fallback(machine: Machine) -> str:
    """What kernel-install takes while there is no such file."""
    text = next((found for found in map(machine.whole, FALLBACKS) if found is not None), "")
    return " ".join(word for word in words(_line(text)) if split(word)[0] not in OF_THIS_BOOT)


def write(new: str) -> None:
    """Put the arguments in place in one rename; comments stay at its head. The file of before is kept."""
    backup.keep(PATH)
    old = Machine().whole(PATH) or ""
    comments = [found for found in old.splitlines() if found.startswith("#")]
    os.makedirs(os.path.dirname(PATH), mode=0o755, exist_ok=True)
    mode = os.stat(PATH).st_mode & 0o7777 if os.path.exists(PATH) else 0o644
    atomic.write(PATH, "\n".join([*comments, new, ""]).encode(), mode)


def _line(text: str) -> str:
    return " ".join(found.strip() for found in text.splitlines() if not found.startswith("#")).strip()
