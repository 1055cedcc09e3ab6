"""The steps for the kernel's arguments."""

from __future__ import annotations

from typing import Any, Dict

from strixkit.remote.agent.boot import grub, grubby, systemd_boot
from strixkit.remote.agent.report import Report

LOADERS = {"grub": grub.apply, "grubby": grubby.apply, "systemd-boot": systemd_boot.apply}


def kernel_arguments(step: Dict[str, Any], report: Report) -> None:
    """Configure the next boot by the loader that the controller has found."""
    LOADERS[str(step["loader"])](step, report)
