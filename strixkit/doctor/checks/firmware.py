"""The GPU's firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, doubt, good, skip
from strixkit.doctor.texts import GITHUB, ROCM_ISSUES, no_gpu
from strixkit.doctor.versions import known, point
from strixkit.host.compatibility import FIRMWARE
from strixkit.planner.facts import Facts

VERSION = re.compile(r"firmware version: (0x[0-9a-fA-F]+)")


def firmware_mes(examined: Examined) -> Iterator[Point]:
    """The loaded MES firmware, the installed package, and whether the initramfs has it."""
    facts, evidence = examined.facts, examined.evidence
    if facts.gpu is None:
        yield skip(no_gpu(facts))
        return
    if evidence.mes is None:
        yield skip(f"the loaded firmware: {evidence.why_unread('mes')}")
    for line in evidence.mes or ():
        yield from _loaded(facts, line)
    packages = known(facts, FIRMWARE)
    for verdict in packages:
        found = point(verdict)
        # What is loaded came from the initramfs, and is no bad one: the package bites when that is written anew.
        later = found.verdict is Verdict.FAIL and evidence.mes is not None
        yield doubt(f"{found.seen}, when it is loaded", found.do) if later else found
    if not packages:
        yield skip("no package of the GPU's firmware is known here")
    times = evidence.initramfs
    if times is not None and 0 < times.image_time < times.firmware_time:
        seen = f"{times.image} is older than {times.package}: the GPU may still get the firmware of before"
        yield doubt(seen, "update-initramfs -u (Fedora: dracut -f), then reboot")


def _loaded(facts: Facts, line: str) -> Iterator[Point]:
    version = VERSION.search(line)
    found = [point(item) for item in known(facts, ("mes",), {"mes": version[1]})] if version else []
    yield from found or [good(line)]


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
