"""What the box is apart from its GPU: operating system, memory, cores, whether it is a machine of its own."""

from __future__ import annotations

import os
import re
from typing import Any, Dict

from strixkit.remote.agent.machine import Machine

FREE_AT = ("/", "/var/lib", "/boot")
CPUINFO_BYTES = 1 << 20
MEMINFO = {
    "total_bytes": "MemTotal",
    "available_bytes": "MemAvailable",
    "swap_total_bytes": "SwapTotal",
}


def system(machine: Machine) -> Dict[str, Any]:
    """Facts of the operating system and the hardware below it; see strixkit.planner.facts.Facts for the fields."""
    cpuinfo = machine.read("/proc/cpuinfo", CPUINFO_BYTES) or ""
    return {
        "hostname": machine.read("/proc/sys/kernel/hostname") or "unknown",
        "os": _os_release(machine),
        "kernel": machine.read("/proc/sys/kernel/osrelease") or "",
        "architecture": machine.architecture(),
        "init": machine.read("/proc/1/comm") or "",
        "virtualization": _virtualization(machine, cpuinfo),
        "python": machine.python(),
        "cpu": _cpu(cpuinfo),
        "cores": _cores(machine, cpuinfo),
        "memory": _memory(machine),
        "boot_id": machine.read("/proc/sys/kernel/random/boot_id") or "",
        "cmdline": machine.read("/proc/cmdline") or "",
        "free_bytes": {path: free for path in FREE_AT for free in [machine.free_bytes(path)] if free is not None},
    }


def _os_release(machine: Machine) -> Dict[str, str]:
    fields: Dict[str, str] = {}
    for line in (machine.read("/etc/os-release") or "").splitlines():
        key, found, value = line.partition("=")
        if found:
            fields[key] = value.strip("\"'")
    return {
        "id": fields.get("ID", "unknown"),
        "version_id": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
        "name": fields.get("PRETTY_NAME", ""),
    }


def _memory(machine: Machine) -> Dict[str, int]:
    """Raises RuntimeError without /proc/meminfo: nothing can be said of such a box."""
    found = dict(re.findall(r"^(\w+):\s+(\d{1,18})\b", machine.read("/proc/meminfo") or "", re.MULTILINE))
    if "MemTotal" not in found:
        raise RuntimeError("/proc/meminfo has no MemTotal")
    memory = {name: int(found.get(key, 0)) * 1024 for name, key in MEMINFO.items()}
    return {**memory, "huge_pages": int(found.get("HugePages_Total", 0))}


def _cpu(cpuinfo: str) -> str:
    """The processor's name, which x86 alone has there."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""


def _cores(machine: Machine, cpuinfo: str) -> int:
    """Physical cores: from sysfs; from /proc/cpuinfo, which x86 alone has; or what Python counts."""
    pairs = {
        (machine.read(cpu + "/physical_package_id"), machine.read(cpu + "/core_id"))
        for cpu in machine.glob("/sys/devices/system/cpu/cpu[0-9]*/topology")
    }
    sockets = dict(re.findall(r"^physical id\s*: (\d+)$(?:\n.+)*?\ncpu cores\s*: (\d{1,4})$", cpuinfo, re.MULTILINE))
    return len(pairs) or sum(int(cores) for cores in sockets.values()) or os.cpu_count() or 1


def _virtualization(machine: Machine, cpuinfo: str) -> str:
    """A container in a virtual machine is a container: it has no kernel of its own to set up."""
    marks = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")
    environment = "\0" + (machine.read("/proc/1/environ") or "")  # root's to read
    if any(machine.exists(path) for path in marks) or "\0container=" in environment:
        return "container"
    return "vm" if re.search(r"^flags\s*:.* hypervisor\b", cpuinfo, re.MULTILINE) else ""
