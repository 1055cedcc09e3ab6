"""Evidence of the kernel and its driver: log lines, firmware, how busy the GPU is."""

from __future__ import annotations

import re
import time
from typing import Any, Dict, List

from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread, need_root

LOG_LINES = 20000  # of this boot, the newest: some MiB at most
KEPT_LINES = 60
SECONDS_BETWEEN = 0.5
FIRMWARE_PACKAGES = ("firmware-amd-graphics", "linux-firmware", "linux-firmware-amd-graphics", "amd-gpu-firmware")
# What the doctor's checks look for, so that no other line of a box's log travels.
SIGNATURES = re.compile(
    r"ring [a-z0-9_.]+ timeout|device wedged|reset succeeded|GTT memory ready|Capping GTT to|gttsize"
    r"|GTT size has been|unknown parameter|SVM mapping failed|AMD-Vi|Default domain type|page allocation failure"
    r"|Memory access fault|\bMES\b|amdxdna|\[gfxhub\] page fault|Out of memory: Killed process",
    re.IGNORECASE,
)


def kernel_log(machine: Machine, request: Dict[str, Any]) -> List[str]:
    """The kernel's lines of this boot that have a known signature, the first and the last of them."""
    words = ("--dmesg", "--boot", "--no-pager", "--quiet", "--output=short-iso", "--lines=%d" % LOG_LINES)
    found = machine.run("journalctl", *words)
    if found is None:
        raise Unread("journalctl gives no answer")
    if not found[1].strip():
        need_root(machine, "the kernel's log (or a member of the group systemd-journal)")
        raise Unread("the journal has no kernel messages of this boot")
    lines = [line for line in found[1].splitlines() if SIGNATURES.search(line)]
    half = KEPT_LINES // 2
    return lines if len(lines) <= KEPT_LINES else lines[:half] + lines[-half:]


def mes(machine: Machine, request: Dict[str, Any]) -> List[str]:
    """The lines of the loaded MES firmware, e.g. `MES feature version: 1, firmware version: 0x00000080`."""
    paths = machine.glob("/sys/kernel/debug/dri/*/amdgpu_firmware_info")
    texts = [text for text in (machine.read(path) for path in paths) if text]
    lines = sorted({line.strip() for text in texts for line in text.splitlines() if line.startswith("MES")})
    if lines:
        return lines
    need_root(machine, "/sys/kernel/debug/dri/*/amdgpu_firmware_info")
    raise Unread("/sys/kernel/debug/dri/*/amdgpu_firmware_info is not there, or has no line of MES")


def initramfs(machine: Machine, request: Dict[str, Any]) -> Dict[str, Any]:
    """When the running kernel's initramfs was written, and when the GPU's firmware was installed (seconds, UTC)."""
    kernel = (machine.read("/proc/sys/kernel/osrelease") or "").strip()
    images = ("/boot/initrd.img-" + kernel, "/boot/initramfs-%s.img" % kernel)
    image = next((path for path in images if machine.exists(path)), "")
    if not image:
        raise Unread("no initramfs of kernel %s in /boot" % (kernel or "unknown"))
    for package in FIRMWARE_PACKAGES:
        record = "/var/lib/dpkg/info/%s.list" % package
        installed = _changed(machine, record) if machine.exists(record) else _rpm_time(machine, package)
        if installed:
            return {
                "image": image,
                "image_time": _changed(machine, image),
                "package": package,
                "firmware_time": installed,
            }
    raise Unread("no package of the GPU's firmware is installed")


def _changed(machine: Machine, path: str) -> int:
    found = machine.run("stat", "--format=%Y", path)
    return int(found[1]) if found is not None and found[0] == 0 else 0


def _rpm_time(machine: Machine, package: str) -> int:
    found = machine.run("rpm", "--query", "--queryformat=%{INSTALLTIME}", package)
    return int(found[1]) if found is not None and found[0] == 0 and found[1].isdecimal() else 0


def busy_percent(machine: Machine, request: Dict[str, Any]) -> List[int]:
    """How busy the GPU was at a few moments, in percent."""
    paths = [path for path in machine.glob("/sys/class/drm/card*/device/gpu_busy_percent") if _is_amd(machine, path)]
    if not paths:
        raise Unread("the driver has no gpu_busy_percent")
    samples = []
    for number in range(1 if machine.root else 4):
        if number:
            time.sleep(SECONDS_BETWEEN)
        text = machine.read(paths[0]) or ""
        if text.isdecimal():
            samples.append(int(text))
    if not samples:
        raise Unread("%s cannot be read" % paths[0])
    return samples


def _is_amd(machine: Machine, path: str) -> bool:
    return machine.read(path.rpartition("/")[0] + "/vendor") == "0x1002"
