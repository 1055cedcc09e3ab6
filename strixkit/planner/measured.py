"""Compute buffers as a server on this host was seen to have them, instead of what a formula says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from strixkit.planner.parts import Part
from strixkit.planner.run import Run

# What of a run shapes no compute buffer, so that a measurement holds for other values of it.
INDIFFERENT = ("checkpoints", "checkpoint_every", "cache_ram_mib")


class Seen(NamedTuple):
    """A compute buffer in MiB: when the server was ready, and after it had answered a request."""

    ready_mib: float
    largest_mib: float


Measured = Mapping[str, Mapping[str, Seen]]
"""Settings -> key of a part -> sizes; all measured with one runtime, model shape and environment."""


def settings_of(run: Run) -> str:
    """All of a run that shapes its compute buffers, as text: two runs that differ in it may have different buffers."""
    return " ".join(f"{name}={value}" for name, value in vars(run).items() if name not in INDIFFERENT)


def with_measured(found: Sequence[Part], run: Run, measured: Measured) -> tuple[Part, ...]:
    """The parts, with what was measured of a server with the same settings in the place of the formulas.

    One buffer may hold several parts (without a GPU): the first of those with its key stands for all.
    """
    sizes = measured.get(settings_of(run)) if measured else None
    if not sizes:
        return tuple(found)
    formulas: dict[str, float] = {}
    for part in found:
        formulas[part.key] = formulas.get(part.key, 0.0) + part.mib
    kept: dict[str, Part] = {}
    for part in found:
        mib = _seen_mib(part.key, sizes, formulas)
        if mib is None:
            kept[f"{part.key} {part.name}"] = part
        else:
            update = {"mib": mib, "exact": True, "formula_mib": formulas[part.key]}
            kept.setdefault(part.key, part.model_copy(update=update))
    return tuple(kept.values())


def _seen_mib(key: str, sizes: Mapping[str, Seen], parts: Mapping[str, float]) -> float | None:
    """MiB of a compute buffer, or of what it has grown by where that is a part of its own."""
    context, kind, where = key.split(".")
    size = sizes.get(f"{context}.compute.{where}")
    if size is None:
        return None
    if kind == "compute-growth":
        return max(0.0, size.largest_mib - size.ready_mib)
    if kind == "compute":
        return size.ready_mib if f"{context}.compute-growth.{where}" in parts else size.largest_mib
    return None
