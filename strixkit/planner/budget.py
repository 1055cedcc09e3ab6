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

    def __add__(self, other: Need) -> Need:
        return Need(self.device_mib + other.device_mib, self.host_mib + other.host_mib)


@dataclass(frozen=True)
class Neighbours:
    """The other services of a host: what they hold now, and what is promised to them beyond it."""

    held: Need = Need()
    promised: Need = Need()


NOTHING = Need()
ALONE = Neighbours()


@dataclass(frozen=True)
class Budget:
    """Two limits in MiB: `device_mib` for what the device holds, `system_mib` for system memory.

    reserve_mib: left alone; already taken out of the limits.
    ceiling: what limits the device. Only a carve-out is no part of system memory; otherwise device and host
    parts together are held against `system_mib`.
    """

    ceiling: Ceiling
    device_mib: float
    system_mib: float
    reserve_mib: float
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
        return self.shortfall(need) == NOTHING


def need_of(parts: Iterable[Part]) -> Need:
    """The sum of the parts."""
    device = host = 0.0
    for part in parts:
        if part.where == "device":
            device += part.mib
        else:
            host += part.mib
    return Need(device, host)


def budget_of(facts: Facts, reserve_mib: float, others: Neighbours, running: Need) -> Budget:
    """The budget of one service on a host.

    Without a GPU all is system memory. With one: min(GTT total - GTT used, MemAvailable - reserve), since GTT
    is system memory that the GPU may map, and a ceiling, not a reservation. A BIOS carve-out larger than GTT
    is the exception: the driver then serves from it alone, and it is no part of system memory. (ROCm does; Vulkan
    would add the two, on which no plan counts, nor on the 512 MiB of a small carve-out.)
    Sources: AMD's system optimization guide for Strix Halo, torvalds/linux@759e764.

    running: held by the running service that this one replaces; it will be given back. Whatever is measured,
    what others hold is not free: a driver may leave allocations out of GTT used, and facts may be simulated.
    """
    total, available = facts.memory.total_bytes / MIB, facts.memory.available_bytes / MIB
    reserve = min(reserve_mib, total * RESERVE_SHARE)
    carved = facts.gpu is not None and facts.gpu.vram_total_bytes > facts.gpu.gtt_total_bytes
    given_back, held, promised = (
        need.host_mib + (0.0 if carved else need.device_mib) for need in (running, others.held, others.promised)
    )
    system = min(available + given_back, total - held) - promised - reserve
    if available + given_back <= total - held:
        words = f"{available:,.0f} MiB of system memory available - {reserve:,.0f} reserve{_less(promised)}"
        words += f" + {given_back:,.0f} of the running service that is replaced" if given_back else ""
    else:
        words = f"{total:,.0f} MiB of system memory - {reserve:,.0f} reserve{_less(held + promised)}"
    if facts.gpu is None:
        return Budget("system", system, system, reserve, words)
    gtt, vram = facts.gpu.gtt_total_bytes / MIB, facts.gpu.vram_total_bytes / MIB
    if carved:
        taken = others.held.device_mib + others.promised.device_mib
        carve_out = f"BIOS carve-out {vram:,.0f} MiB{_less(taken)}"
        words = f"{carve_out}, used alone since GTT is only {gtt:,.0f}; besides {words}"
        return Budget("carve-out", vram - taken, system, reserve, words)
    # What the running service holds is part of what is used, and is given back.
    used = max(facts.gpu.gtt_used_bytes / MIB - running.device_mib, others.held.device_mib)
    words = f"the least of GTT {gtt:,.0f} MiB - {used:,.0f} used{_less(others.promised.device_mib)}, and {words}"
    return Budget("gtt", gtt - used - others.promised.device_mib, system, reserve, words)


def _less(others_mib: float) -> str:
    return f" - {others_mib:,.0f} for other services" if others_mib else ""
