"""Which boot loader gives the kernel its arguments, by what it leaves on the machine."""

from __future__ import annotations

from typing import Dict

from strixkit.remote.agent.boot import entries
from strixkit.remote.agent.machine import Machine

GRUB_CFG = "/boot/grub/grub.cfg"
UPDATE_GRUB = "/usr/sbin/update-grub"
GRUBBY = "/usr/sbin/grubby"
KERNEL_INSTALL = "/usr/bin/kernel-install"
# The Boot Loader Interface (systemd.io): a loader says its name there; 4 bytes of attributes, then UTF-16.
LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def detect(machine: Machine) -> Dict[str, str]:
    """`loader`: grub (Debian's), grubby (Fedora's GRUB), systemd-boot or none; `why`: for none, in words."""
    said = (machine.read(LOADER_INFO, 512) or "").replace("\0", "")
    if "systemd-boot" in said:
        return _systemd_boot(machine)
    if machine.exists(GRUBBY) and machine.glob("/boot/loader/entries/*.conf"):
        return {"loader": "grubby", "why": ""}
    if machine.exists(UPDATE_GRUB) and machine.exists(GRUB_CFG):
        return {"loader": "grub", "why": ""}
    return _systemd_boot(machine)


def _systemd_boot(machine: Machine) -> Dict[str, str]:
    if not machine.exists(KERNEL_INSTALL) or not entries.paths(machine):
        return {"loader": "none", "why": "no boot loader is known here (GRUB, or entries of grubby or kernel-install)"}
    return {"loader": "systemd-boot", "why": ""}
