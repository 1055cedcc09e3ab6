"""Who has the GPU open: links of /proc/PID/fd, as `fuser` reads them."""

from __future__ import annotations

from typing import Any, Dict, List

from strixkit.remote.agent.machine import Machine

MOST_LINKS = 100_000  # that are read, of all processes: well below a second
MOST_USERS = 64


def gpu_users(machine: Machine) -> List[Dict[str, Any]]:
    """Processes with /dev/kfd or a file of /dev/dri open, each device once, by pid. Without root: one's own only."""
    users: List[Dict[str, Any]] = []
    left = MOST_LINKS
    for pid in sorted((int(name) for name in machine.names("/proc") if name.isdigit())):
        folder = "/proc/%d/fd" % pid
        names = machine.names(folder)[:left]
        left -= len(names)
        links = (machine.link("%s/%s" % (folder, name)) or "" for name in names)
        for device in sorted({link for link in links if link == "/dev/kfd" or link.startswith("/dev/dri/")}):
            users.append({"pid": pid, "command": machine.read("/proc/%d/comm" % pid) or "", "device": device})
        if left <= 0 or len(users) >= MOST_USERS:
            break
    return users[:MOST_USERS]
