"""The steps for the kernel's arguments."""

from __future__ import annotations

from typing import Any, Dict

from strixkit.remote.agent.boot import grub
from strixkit.remote.agent.report import Report


def kernel_arguments(step: Dict[str, Any], report: Report) -> None:
    """Configure the next boot by the loader that the controller has found."""
    {"grub": grub.apply}[str(step["loader"])](step, report)
