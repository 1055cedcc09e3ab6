"""Answer to the question for the kernel's arguments. Read-only."""

from __future__ import annotations

from typing import Any, Dict

from strixkit.remote.agent.boot import grub, loader
from strixkit.remote.agent.machine import Machine


def kernel_arguments(question: Dict[str, Any], machine: Machine) -> Dict[str, Any]:
    """The configured state; see strixkit.resources.kernel_arguments for its reading.

    obstacle: why it cannot be changed, and what a person can do.
    """
    answer: Dict[str, Any] = {"modprobe": [], "initramfs": "", **loader.detect(machine)}
    if answer["loader"] == "grub":
        answer.update(grub.observe(machine, str(question["drop_in"])))
    return answer
