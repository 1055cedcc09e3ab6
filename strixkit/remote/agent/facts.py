"""What the box is: operating system, memory, GPU. Files only, no child process."""

from __future__ import annotations

import glob
import json
import os
import sys
from typing import Any, Dict, List

from strixkit.remote.agent import paths
from strixkit.remote.agent.atomic import read_text


def _os_release() -> Dict[str, str]:
    fields: Dict[str, str] = {}
    for line in (read_text("/etc/os-release") or "").splitlines():
        key, found, value = line.partition("=")
        if found:
            fields[key] = value.strip("\"'")
    return {
        "id": fields.get("ID", "unknown"),
        "version_id": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
        "name": fields.get("PRETTY_NAME", ""),
    }


def _memory() -> Dict[str, int]:
    kib: Dict[str, int] = {}
    for line in (read_text("/proc/meminfo") or "").splitlines():
        key, _, rest = line.partition(":")
        kib[key] = int(rest.split()[0])
    return {"total_bytes": kib["MemTotal"] * 1024, "available_bytes": kib["MemAvailable"] * 1024}


def _number(path: str) -> int:
    text = read_text(path)
    return int(text) if text and text.isdigit() else 0


def _gpu() -> Any:
    for device in sorted(glob.glob("/sys/class/drm/card*/device")):
        if read_text(device + "/vendor") != "0x1002":
            continue
        return {
            "pci_id": "1002:" + (read_text(device + "/device") or "0x")[2:],
            "vram_total_bytes": _number(device + "/mem_info_vram_total"),
            "gtt_total_bytes": _number(device + "/mem_info_gtt_total"),
            "gtt_used_bytes": _number(device + "/mem_info_gtt_used"),
        }
    return None


def _cores() -> int:
    pairs = set()
    for cpu in glob.glob("/sys/devices/system/cpu/cpu[0-9]*/topology"):
        pairs.add((read_text(cpu + "/physical_package_id"), read_text(cpu + "/core_id")))
    return len(pairs) or os.cpu_count() or 1


def _free_bytes() -> Dict[str, int]:
    free = {}
    for path in ("/", "/var/lib", "/boot"):
        try:
            stat = os.statvfs(path)
        except OSError:
            continue
        free[path] = stat.f_bavail * stat.f_frsize
    return free


def _merge(base: Dict[str, Any], extra: Dict[str, Any], prefix: str, changed: List[str]) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value, prefix + key + ".", changed)
        else:
            base[key] = value
            changed.append(prefix + key)


def _local_facts(facts: Dict[str, Any]) -> None:
    """Merge /etc/strixkit/facts.d/*.json, as Ansible does; what comes from there is listed as simulated."""
    changed: List[str] = []
    for path in sorted(glob.glob(paths.LOCAL_FACTS + "/*.json")):
        try:
            with open(path, encoding="utf-8") as handle:
                extra = json.load(handle)
        except (OSError, ValueError) as error:
            facts.setdefault("warnings", []).append("%s is not valid JSON: %s" % (path, error))
            continue
        if isinstance(extra, dict):
            extra.pop("simulated", None)
            extra.pop("source", None)
            _merge(facts, extra, "", changed)
    facts["simulated"] = sorted(changed)


def gather() -> Dict[str, Any]:
    """All facts of this box; sizes in bytes. See strixkit.planner.facts.Facts for the fields."""
    manager = "apt" if os.path.exists("/usr/bin/apt-get") else "dnf" if os.path.exists("/usr/bin/dnf") else ""
    facts: Dict[str, Any] = {
        "hostname": os.uname().nodename,
        "os": _os_release(),
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "init": read_text("/proc/1/comm") or "",
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "cores": _cores(),
        "memory": _memory(),
        "gpu": _gpu(),
        "boot_id": read_text("/proc/sys/kernel/random/boot_id") or "",
        "package_manager": manager,
        "free_bytes": _free_bytes(),
    }
    _local_facts(facts)
    return facts
