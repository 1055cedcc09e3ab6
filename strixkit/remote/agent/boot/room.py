"""Whether /boot takes what is to be written there."""

from __future__ import annotations

import os
from typing import Optional

from strixkit.remote.agent.machine import Machine

MIB = 1 << 20
IMAGES = ("/boot/initrd.img-*", "/boot/initramfs-*.img")


def obstacle(machine: Machine, folder: str, initramfs: bool) -> Optional[str]:
    """Why nothing can be written below `folder`, and what to do; None when it can.

    initramfs: one is to be made, beside the old one, and is as large.
    """
    try:
        found = os.statvfs(machine.root + folder)
    except OSError as error:
        return "%s cannot be looked at: %s" % (folder, error.strerror)
    mount = _mount(machine, folder)
    if found.f_flag & os.ST_RDONLY:
        return "%s is read-only: mount -o remount,rw %s" % (folder, mount)
    images = [os.path.getsize(machine.root + path) for pattern in IMAGES for path in machine.glob(pattern)]
    need = MIB + (max(images, default=0) if initramfs else 0)
    free = found.f_bavail * found.f_frsize
    if free < need:
        words = "%s has %.1f MiB free, and %.1f MiB are needed%s: make room there, e.g. by removing old kernels (%s)"
        what = " for an initramfs" if initramfs else ""
        return words % (mount, free / MIB, need / MIB, what, _cleaner(machine))
    return None


def _mount(machine: Machine, folder: str) -> str:
    """Where the file system of a folder is mounted: /proc says it of bind mounts as well."""
    rows = (line.split() for line in (machine.read("/proc/self/mounts", 1 << 20) or "").splitlines())
    found = [row[1] for row in rows if len(row) > 1 and (folder + "/").startswith(row[1].rstrip("/") + "/")]
    return max(found, key=len, default="/")


def _cleaner(machine: Machine) -> str:
    return "apt autoremove --purge" if machine.exists("/usr/bin/apt-get") else "dnf remove --oldinstallonly"
