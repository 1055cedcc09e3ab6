"""The initramfs holds a copy of /etc/modprobe.d: after a change there it is to be made again."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, Optional, Tuple

from strixkit.remote.agent import atomic, paths
from strixkit.remote.agent.boot import loader, systemd_boot
from strixkit.remote.agent.boot.tool import run
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report

DUE = paths.STATE + "/initramfs-due"  # there while one is older than what it is made of
TOOLS = (
    ("/usr/sbin/update-initramfs", "-u", "-k", "all"),
    ("/usr/bin/dracut", "--regenerate-all", "--force"),
)


def tool(machine: Machine) -> Optional[Tuple[str, ...]]:
    """The distribution's own; None where no initramfs is made."""
    return next((command for command in TOOLS if machine.exists(command[0])), None)


def state(machine: Machine) -> str:
    """What is wrong with it, in words; empty: nothing."""
    return "older than what it is made of" if machine.exists(DUE) else ""


def due() -> None:
    """Say so before the first change, so that a run that is cut off is seen by the next look."""
    if tool(Machine()) is not None:
        os.makedirs(paths.STATE, mode=0o755, exist_ok=True)
        atomic.write(DUE, b"", 0o600)


def apply(step: Dict[str, Any], report: Report) -> None:
    """Make it again, for all kernels."""
    machine = Machine()
    command = tool(machine)
    if command is not None:
        report(" ".join(command))
        run(*command)
        if loader.detect(machine)["loader"] == "systemd-boot":
            systemd_boot.renew(machine, report)  # it boots a copy
        os.sync()  # a power cut must not find an empty file after the tool's rename
    with contextlib.suppress(FileNotFoundError):
        os.unlink(DUE)
