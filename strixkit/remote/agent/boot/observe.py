"""Answer to the question for the kernel's arguments. Read-only."""

from __future__ import annotations

import os
from typing import Any, Dict

from strixkit.remote.agent.boot import due, entries, grub, grubby, initramfs, loader, modprobe, room, systemd_boot
from strixkit.remote.agent.machine import Machine


def kernel_arguments(question: Dict[str, Any], machine: Machine) -> Dict[str, Any]:
    """The configured state; see strixkit.resources.kernel_arguments for its reading.

    obstacle: why it cannot be changed, and what a person can do.
    """
    found = loader.detect(machine)
    answer: Dict[str, Any] = {
        "modprobe": modprobe.options(machine, (str(name) for name in question["names"])),
        "initramfs": due.said(machine, due.INITRAMFS),
        **found,
    }
    kind = found["loader"]
    if kind == "none":
        return answer
    if kind == "grub":
        answer.update(grub.observe(machine, str(question["drop_in"])))
        folder = os.path.dirname(loader.GRUB_CFG)
    else:
        answer.update(grubby.observe(machine) if kind == "grubby" else systemd_boot.observe(machine))
        folder = os.path.dirname(entries.paths(machine)[0]) if kind == "systemd-boot" else "/boot/loader/entries"
    made = initramfs.tool(machine) is not None and bool(answer["modprobe"] or answer["initramfs"])
    if why := answer.get("obstacle") or room.obstacle(machine, folder, made):
        answer["obstacle"] = why
    return answer
