"""systemd-boot: kernel-install writes an entry for each kernel, with the arguments of /etc/kernel/cmdline."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Tuple

from strixkit.remote.agent import atomic, backup
from strixkit.remote.agent.boot import cmdline_file, entries
from strixkit.remote.agent.boot.loader import KERNEL_INSTALL
from strixkit.remote.agent.boot.record import Record, wanted_of
from strixkit.remote.agent.boot.tool import run
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report


def observe(machine: Machine) -> Dict[str, Any]:
    """`entries`: of each kernel, and of what the next one gets."""
    future = cmdline_file.line(machine)
    return {
        "entries": [*entries.arguments(machine), cmdline_file.fallback(machine) if future is None else future],
        "ours": Record().set,
    }


def apply(step: Dict[str, Any], report: Report) -> None:
    """Write /etc/kernel/cmdline, then have each kernel's entry made again. Can be run again at any point."""
    wanted, machine, record = wanted_of(step), Machine(), Record()
    future = cmdline_file.line(machine)
    if future is None:
        record.created, future = True, cmdline_file.fallback(machine)
    record.begin(future, wanted)
    for path in entries.paths(machine):
        if not backup.kept(path):
            backup.keep(path)
    report("recorded")
    if record.created and not wanted:
        atomic.remove(cmdline_file.PATH)
    else:
        cmdline_file.write(record.edited(future, wanted))
    renew(machine, report)
    record.end(wanted)


def renew(machine: Machine, report: Report) -> None:
    """Have each kernel's entry, and its copies of kernel and initramfs, made again."""
    for version, files in kernels(machine):
        report("kernel-install add " + version)
        run(KERNEL_INSTALL, "add", version, *files)
    os.sync()  # it copies large files, and syncs none


def kernels(machine: Machine) -> List[Tuple[str, List[str]]]:
    """Version, and image (with an initrd beside it), of each installed kernel.

    Not `kernel-install add-all`: it looks in /usr/lib/modules alone, and Debian's images are in /boot.
    """
    found = []
    for path in machine.glob("/lib/modules/*/modules.dep"):
        version = path.split("/")[3]
        images = ("/usr/lib/modules/%s/vmlinuz" % version, "/boot/vmlinuz-" + version)
        image = next((image for image in images if machine.exists(image)), None)
        initrd = "/boot/initrd.img-" + version
        if image:
            found.append((version, [image, *([initrd] if machine.exists(initrd) else [])]))
    return found
