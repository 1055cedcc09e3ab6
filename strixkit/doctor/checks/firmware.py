"""The GPU's firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.texts import GITHUB, ROCM_ISSUES, no_gpu

PACKAGES = ("firmware-amd-graphics", "linux-firmware", "linux-firmware-amd-graphics", "amd-gpu-firmware")
BAD_RELEASE = re.compile(r"(?<!\d)20251125(?!\d)")
BAD_MES = re.compile(r"firmware version: 0x0*83\b", re.IGNORECASE)
UPDATE = "firmware of 20260110 or newer, then update-initramfs -u (Fedora: dracut -f), then reboot"


def firmware_mes(examined: Examined) -> Iterator[Point]:
    """The loaded MES firmware, the installed package, and whether the initramfs has it."""
    facts, evidence = examined.facts, examined.evidence
    if facts.gpu is None:
        yield skip(no_gpu(examined.facts))
        return
    mes = evidence.mes
    if mes is None:
        yield skip(f"the loaded firmware: {evidence.why_unread('mes')}")
    elif any(BAD_MES.search(line) for line in mes):
        yield bad(f"the loaded firmware is known to hang: {'; '.join(mes)}", UPDATE)
    else:
        yield good("; ".join(mes))
    installed = {name: facts.packages[name] for name in PACKAGES if name in facts.packages}
    for name, version in installed.items():
        if BAD_RELEASE.search(version):
            seen = f"{name} {version} is the release of which MES 0x83 hangs the GPU"
            # What is loaded came from the initramfs; the package bites when that is written anew.
            yield bad(seen, UPDATE) if mes is None else doubt(f"{seen}, when it is loaded", UPDATE)
        else:
            yield good(f"{name} {version}")
    if not installed and facts.packages:
        yield skip("no package of the GPU's firmware is known here")
    times = evidence.initramfs
    if times is not None and 0 < times.image_time < times.firmware_time:
        seen = f"{times.image} is older than {times.package}: the GPU may still get the firmware of before"
        yield doubt(seen, "update-initramfs -u (Fedora: dracut -f), then reboot")


CHECKS = {
    "firmware-mes": Check(
        id="firmware-mes",
        group="firmware",
        question="Is the GPU's firmware free of the release that hangs?",
        looks_at="the lines of MES in /sys/kernel/debug/dri/*/amdgpu_firmware_info (root only): FAIL on 0x83. The "
        "version of the firmware's package: not 20251125. Whether the initramfs is older than the installed package.",
        why="MES 0x83 of linux-firmware 20251125 ends in `Memory access fault by GPU node-1` and hangs; 0x80 before it "
        "and releases from 20260110 on do not. The driver takes its firmware from the initramfs, so an update without "
        "a new initramfs changes nothing, which is often forgotten.",
        links=(
            f"{ROCM_ISSUES}5724",
            f"{ROCM_ISSUES}5616",
            f"{ROCM_ISSUES}5747",
            f"{GITHUB}kyuz0/amd-strix-halo-toolboxes/blob/main/docs/troubleshooting-firmware.md",
        ),
        mended_by="the distribution's firmware package, and a reboot (role kernel tells known versions)",
        confidence="several reports",
        reads=("gpu", "packages"),
        verdicts=frozenset(Verdict),
        look=firmware_mes,
    ),
}
