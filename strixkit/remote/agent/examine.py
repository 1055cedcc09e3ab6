"""What the doctor asks a box: facts, and the evidence that its checks need. Read-only, without any policy.

The evidence is in sections. Each is gathered on its own thread, since a driver that hangs lets whoever reads its files
wait for ever; a section that cannot be read, or gives no answer in time, is named with the reason and left out.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, Mapping

from strixkit.remote.agent import (
    examine_kernel,
    examine_packages,
    examine_processes,
    examine_tools,
    examine_units,
    examine_vulkan,
    facts,
)
from strixkit.remote.agent.boot import observe as boot
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread, is_root

Request = Dict[str, Any]
Gather = Callable[[Machine, Request], Any]
# Of all sections together; below it lies the limit of each command (machine.py).
SECONDS = 50.0

SECTIONS: Dict[str, Gather] = {
    "boot": lambda machine, request: boot.kernel_arguments(request["kernel_arguments"], machine),
    "kernel_log": examine_kernel.kernel_log,
    "mes": examine_kernel.mes,
    "initramfs": examine_kernel.initramfs,
    "busy_percent": examine_kernel.busy_percent,
    "user": examine_units.user,
    "units": examine_units.units,
    "devices": examine_units.devices,
    "unit_log": examine_units.unit_log,
    "vulkan": examine_vulkan.summary,
    "probe": examine_tools.probe,
    "tuning": examine_tools.tuning,
    "tools": examine_tools.build_tools,
    "compiler": examine_tools.compiler,
    "agents": examine_tools.rocm_agents,
    "sleepers": examine_processes.sleepers,
    "listeners": examine_processes.listeners,
    "policy": examine_packages.policy,
    "sources": examine_packages.sources,
    "pins": examine_packages.pins,
}


def examine(machine: Machine, request: Request, seconds: float = SECONDS) -> Dict[str, Any]:
    """Facts and evidence. `unread` says of each section that is not there why; `silent` are those without an answer."""
    answer: Dict[str, Any] = {}
    unread: Dict[str, str] = {}

    def gather(name: str, section: Gather) -> None:
        try:
            answer[name] = section(machine, request)
        except Unread as error:
            unread[name] = str(error)
        except Exception as error:  # one section that this code does not understand ends no other
            unread[name] = "%s: %s" % (type(error).__name__, error)

    wanted: Dict[str, Gather] = {"facts": lambda machine, request: facts.gather(machine)}
    wanted.update(SECTIONS)
    silent = _all(wanted, gather, seconds)
    evidence = {name: answer[name] for name in SECTIONS if name in answer and name not in silent}
    for name in silent:
        unread[name] = "no answer within %d s" % seconds
    return {
        "facts": None if "facts" in silent else answer.get("facts"),
        "evidence": dict(evidence, root=is_root(machine), unread=dict(unread), silent=silent),
    }


def _all(sections: Mapping[str, Gather], gather: Callable[[str, Gather], None], seconds: float) -> "list[str]":
    """Gather each section on a thread of its own; the names of those that were not back in time."""
    threads = {
        name: threading.Thread(target=gather, args=(name, section), daemon=True) for name, section in sections.items()
    }
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, end - time.monotonic()))
    return sorted(name for name, thread in threads.items() if thread.is_alive())
