"""Which boot loader gives the kernel its arguments, by what it leaves on the machine."""

from __future__ import annotations

from typing import Dict

from strixkit.remote.agent.machine import Machine

GRUB_CFG = "/boot/grub/grub.cfg"
UPDATE_GRUB = "/usr/sbin/update-grub"


def detect(machine: Machine) -> Dict[str, str]:
    """`loader`: grub or none; `why`: for none, in words."""
    if machine.exists(UPDATE_GRUB) and machine.exists(GRUB_CFG):
        return {"loader": "grub", "why": ""}
    return {"loader": "none", "why": "neither GRUB, grubby nor systemd-boot is there"}
