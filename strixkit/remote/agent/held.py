"""What a service in service was planned with, and the memory that its processes really hold."""

from __future__ import annotations

import glob
import os
from typing import Any, Dict, Iterable, List, Set, Tuple

from strixkit.remote.agent import paths
from strixkit.remote.agent.atomic import read_json, read_text

CGROUP = "/sys/fs/cgroup/system.slice/llama-server-%s.service/cgroup.procs"
REGIONS = ("gtt", "vram")
# The first that is there counts: `memory` is an older name of `resident`; `total` includes what is not in memory.
STATISTICS = ("memory", "resident", "total")
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def held(service: str) -> Dict[str, Any]:
    """Whether the service runs, the bytes it holds, and what the manifest of its current release says of its plan."""
    service = os.path.basename(service)
    home = "%s/%s/current" % (paths.SERVICES, service)
    manifest = read_json(home + "/manifest.json") or {}
    running, host, device = memory(service)
    return {
        "running": running,
        "host_bytes": host,
        "device_bytes": device,
        "release": str(manifest.get("release", "")),
        "memory": manifest.get("memory", {}),
        "choice": manifest.get("choice", {}),
        "wishes": read_text(home + "/wishes") or "",
        "measured": measured(service),
    }


def memory(service: str) -> Tuple[bool, int, int]:
    """Whether the service runs, and the bytes that all its processes hold: of their own, and on the GPU."""
    pids = (read_text(CGROUP % service) or "").split()
    host = sum(host_bytes(read_text("/proc/%s/status" % pid) or "") for pid in pids)
    return bool(pids), host, device_bytes(text for pid in pids for text in _descriptors(pid))


def measured(service: str) -> List[Dict[str, Any]]:
    """The compute buffers that the gate has measured of the service's kept releases; see agent/confirm.py."""
    found = (read_json(path) for path in glob.glob("%s/%s/releases/*/measured.json" % (paths.SERVICES, service)))
    return [
        dict(
            {key: item.get(key) for key in ("at", "settings", "circumstances")},
            compute=[part for part in item.get("parts", []) if ".compute." in part["key"]],
        )
        for item in found
        if isinstance(item, dict)
    ]


def host_bytes(status: str) -> int:
    """Private and shared memory of a process from its /proc/PID/status; files that are mapped can be dropped."""
    total = 0
    for line in status.splitlines():
        key, _, rest = line.partition(":")
        if key in ("RssAnon", "RssShmem"):
            total += int(rest.split()[0]) * 1024
    return total


def device_bytes(descriptors: Iterable[str]) -> int:
    """GPU memory of all DRM clients in texts of /proc/PID/fdinfo; a client with several descriptors counts once.

    The keys are in the kernel's Documentation/gpu/drm-usage-stats.rst.
    """
    seen: Set[Tuple[str, str]] = set()
    total = 0
    for text in descriptors:
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        client = (fields.get("drm-pdev", "").strip(), fields.get("drm-client-id", "").strip())
        if not client[1] or client in seen:
            continue
        seen.add(client)
        for region in REGIONS:
            keys = ["drm-%s-%s" % (statistic, region) for statistic in STATISTICS]
            total += next((_bytes(fields[key]) for key in keys if key in fields), 0)
    return total


def _bytes(value: str) -> int:
    number, _, unit = value.strip().partition(" ")
    return int(number) * UNITS.get(unit.strip(), 0) if number.isdecimal() else 0


def _descriptors(pid: str) -> Iterable[str]:
    for path in glob.glob("/proc/%s/fdinfo/*" % pid):
        yield read_text(path) or ""
