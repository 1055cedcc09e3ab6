"""How much memory a server may take on a host, and how that came about. All sizes in MiB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from strixkit.planner.facts import Facts
from strixkit.planner.parts import MIB, Part

# At most this share of a small box is set aside: the reserve of a profile is meant for 64 GB and more.
RESERVE_SHARE = 1 / 4

Ceiling = Literal["system", "gtt", "carve-out"]


@dataclass(frozen=True)
class Need:
    """What a set of parts takes, in MiB."""

    device_mib: float = 0.0
    host_mib: float = 0.0


@dataclass(frozen=True)
class Budget:
    """Two limits in MiB: `device_mib` for what the device holds, `system_mib` for system memory.

    ceiling: what limits the device. Only a carve-out is no part of system memory; otherwise device and host
    parts together are held against `system_mib`.
    """

    ceiling: Ceiling
    device_mib: float
    system_mib: float
    words: str

    @property
    def usable_mib(self) -> float:
        """What the device parts can take at most."""
        return self.device_mib if self.ceiling == "carve-out" else min(self.device_mib, self.system_mib)

    def shortfall(self, need: Need) -> Need:
        """MiB missing on the device, and in system memory as `host_mib`. Need() if it fits."""
        system = need.host_mib + (0 if self.ceiling == "carve-out" else need.device_mib)
        return Need(max(0.0, need.device_mib - self.device_mib), max(0.0, system - self.system_mib))

    def fits(self, need: Need) -> bool:
        """Whether both limits hold."""
        return self.shortfall(need) == Need()


def need_of(parts: Iterable[Part]) -> Need:
    """The sum of the parts."""
    device = host = 0.0
    for part in parts:
        if part.where == "device":
            device += part.mib
        else:
            host += part.mib
    return Need(device, host)


def budget_of(facts: Facts, reserve_mib: float, others: Need, running: Need) -> Budget:
    """The budget of one service on a host.

    Without a GPU all is system memory. With one: min(GTT total - GTT used, MemAvailable - reserve), since GTT
    is system memory that the GPU may map, and a ceiling, not a reservation. A BIOS carve-out larger than GTT
    is the exception: the driver then serves from it alone, and it is no part of system memory.
    Sources: AMD's system optimization guide for Strix Halo, torvalds/linux@759e764.

    others: promised to other services of the host that do not hold it yet.
    running: held by the running service that this one replaces; it will be given back.
    """
    available = facts.memory.available_bytes / MIB
    reserve = min(reserve_mib, facts.memory.total_bytes / MIB * RESERVE_SHARE)
    device_change = running.device_mib - others.device_mib
    system = available - reserve + running.host_mib - others.host_mib
    words = f"{available:,.0f} MiB of system memory available - {reserve:,.0f} reserve"
    changes = _changes(others, running)
    if facts.gpu is None:
        system += device_change
        return Budget("system", system, system, words + changes)
    gtt, vram = facts.gpu.gtt_total_bytes / MIB, facts.gpu.vram_total_bytes / MIB
    if vram > gtt:
        words = f"BIOS carve-out {vram:,.0f} MiB, used alone since GTT is only {gtt:,.0f}; besides {words}"
        return Budget("carve-out", vram - others.device_mib, system, words + changes)
    used = facts.gpu.gtt_used_bytes / MIB
    words = f"the least of GTT {gtt:,.0f} MiB - {used:,.0f} used, and {words}"
    return Budget("gtt", gtt - used + device_change, system + device_change, words + changes)


def _changes(others: Need, running: Need) -> str:
    words = ""
    if promised := others.device_mib + others.host_mib:
        words += f" - {promised:,.0f} for other services"
    if held := running.device_mib + running.host_mib:
        words += f" + {held:,.0f} of the running service that is replaced"
    return words
