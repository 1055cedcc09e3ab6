"""Evidence of processes: those that no signal reaches, and those that listen on the services' ports."""

from __future__ import annotations

import re
import time
from typing import Any, Dict, List

from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread

SECONDS_BETWEEN = 1.0
MOST = 50
TABLE_BYTES = 1 << 22
LISTENING = "0A"  # a state in /proc/net/tcp
Process = Dict[str, Any]


def sleepers(machine: Machine, request: Dict[str, Any]) -> List[Process]:
    """Processes in state D at both of two looks: they wait in the kernel, for a disk or for a driver that hangs."""
    before = _in_state_d(machine)
    if before and not machine.root:
        time.sleep(SECONDS_BETWEEN)
    after = _in_state_d(machine)
    found = [pid for pid in sorted(before) if after.get(pid) == before[pid]]
    return [{"pid": pid, "command": before[pid], "unit": _unit(machine, pid)} for pid in found][:MOST]


def _in_state_d(machine: Machine) -> Dict[int, str]:
    found = {}
    paths = machine.glob("/proc/[0-9]*/stat")
    if not paths:
        raise Unread("/proc has no processes")
    for path in paths:
        text = machine.read(path) or ""
        # The command stands in brackets and may hold anything, brackets too.
        command, _, rest = text.partition("(")[2].rpartition(") ")
        if rest.startswith("D"):
            found[int(path.split("/")[2])] = command
    return found


def _unit(machine: Machine, pid: int) -> str:
    """The service that the process belongs to, by its control group."""
    found = re.search(r"/([^/\n]+\.service)(?:/|$)", machine.read("/proc/%d/cgroup" % pid) or "", re.MULTILINE)
    return found.group(1) if found else ""


def listeners(machine: Machine, request: Dict[str, Any]) -> List[Process]:
    """Who listens on the wanted ports. pid 0: somebody, but this user may not see who."""
    ports = [int(port) for port in request.get("ports", [])]
    sockets: Dict[str, int] = {}
    tables = [machine.read(path, TABLE_BYTES) for path in ("/proc/net/tcp", "/proc/net/tcp6")]
    if not any(tables):
        raise Unread("/proc/net/tcp cannot be read")
    for table in tables:
        for line in (table or "").splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == LISTENING and int(words[1].rpartition(":")[2], 16) in ports:
                sockets["socket:[%s]" % words[9]] = int(words[1].rpartition(":")[2], 16)
    if not sockets:
        return []
    found = []
    for pid in (name for name in machine.names("/proc") if name.isdecimal()):
        for port in sorted({sockets[name] for name in _links(machine, "/proc/%s/fd" % pid) if name in sockets}):
            command = machine.read("/proc/%s/comm" % pid) or ""
            found.append({"port": port, "pid": int(pid), "command": command, "unit": _unit(machine, int(pid))})
    seen = {item["port"] for item in found}
    unseen = [{"port": port, "pid": 0, "command": "", "unit": ""} for port in sorted(set(sockets.values()) - seen)]
    return (found + unseen)[:MOST]


def _links(machine: Machine, folder: str) -> List[str]:
    names = []
    for name in machine.names(folder):
        target = machine.link("%s/%s" % (folder, name))
        if target is not None:
            names.append(target)
    return names
