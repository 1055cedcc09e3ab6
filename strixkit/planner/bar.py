"""The whole memory of a host as one bar: what the server takes, what others have, what is free. All sizes in MiB."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from strixkit.planner.budget import Budget, Need, Neighbours
from strixkit.planner.facts import Facts
from strixkit.planner.parts import MIB, Part, When

Name = Literal[
    "weights",
    "KV cache",
    "recurrent state",
    "draft",
    "compute",
    "checkpoints",
    "prompt cache",
    "host parts",
    "driver",
    "other services",
    "system",
    "reserve",
    "free",
]

# The parts that make a segment of their own, wherever they lie; others are "compute" or "host parts".
SEGMENTS: dict[str, Name] = {
    "weights": "weights",
    "KV cache": "KV cache",
    "f16 copies of the quantised KV": "KV cache",
    "recurrent state": "recurrent state",
    "draft KV cache": "draft",
    "draft compute": "draft",
    "draft compute after the first draft": "draft",
    "context checkpoints": "checkpoints",
    "context checkpoints after many short turns": "checkpoints",
    "prompt cache": "prompt cache",
    "checkpoints in the prompt cache": "prompt cache",
    "driver": "driver",
}


class Segment(BaseModel):
    """One piece of the bar: when the server is ready, with the context full, and at the worst (see `Part.when`)."""

    model_config = ConfigDict(frozen=True)

    name: Name
    start: float
    full: float
    worst: float


class Bar(BaseModel):
    """All segments in order; at each moment their sum is `total_mib`.

    total_mib: what Linux sees of the memory, and the BIOS carve-out where it is the device's only memory.
    A plan that is kept although it does not fit has less than nothing free.
    """

    model_config = ConfigDict(frozen=True)

    total_mib: float
    segments: tuple[Segment, ...]


def bar_of(facts: Facts, budget: Budget, parts: Iterable[Part], others: Neighbours, running: Need) -> Bar:
    """The bar of a host on which the server with these parts has replaced the running one.

    system: what the rest of the machine uses now. With what is measured and what is promised counted once each, what
    is left free is what the budget has left.
    """
    carved = budget.ceiling == "carve-out"
    total = facts.memory.total_bytes / MIB
    used = total - facts.memory.available_bytes / MIB
    held = sum(need.host_mib + (0.0 if carved else need.device_mib) for need in (others.held, running))
    whole = total + (facts.gpu.vram_total_bytes / MIB if carved and facts.gpu else 0.0)
    constant: dict[Name, float] = {
        "other services": sum(need.device_mib + need.host_mib for need in (others.held, others.promised)),
        "system": max(0.0, used - held),
        "reserve": budget.reserve_mib,
    }
    stages: list[dict[Name, float]] = []
    parts = tuple(parts)
    for moments in (("start",), ("start", "full"), ("start", "full", "worst")):
        sizes = {**_sizes(parts, moments), **constant}
        stages.append({**sizes, "free": whole - sum(sizes.values())})
    return Bar(
        total_mib=whole,
        segments=tuple(
            Segment(name=name, **dict(zip(get_args(When), (stage[name] for stage in stages), strict=True)))
            for name in get_args(Name)
        ),
    )


def _sizes(parts: Iterable[Part], moments: tuple[str, ...]) -> dict[Name, float]:
    sizes: dict[Name, float] = dict.fromkeys(get_args(Name), 0.0)
    for part in parts:
        if part.when in moments:
            rest: Name = "compute" if part.where == "device" else "host parts"
            sizes[SEGMENTS.get(part.name, rest)] += part.mib
    del sizes["free"]
    return sizes
