"""The initramfs holds a copy of /etc/modprobe.d: after a change there it is to be made again."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional, Tuple

from strixkit.remote.agent.boot import due, loader, systemd_boot
from strixkit.remote.agent.boot.tool import run
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report

TOOLS = (
    ("/usr/sbin/update-initramfs", "-u", "-k", "all"),
    ("/usr/bin/dracut", "--regenerate-all", "--force"),
)


def tool(machine: Machine) -> Optional[Tuple[str, ...]]:
    """The distribution's own; None where no initramfs is made."""
    return next((command for command in TOOLS if machine.exists(command[0])), None)


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
    due.end(due.INITRAMFS)
