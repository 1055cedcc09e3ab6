"""A rehearsed release held against its plan: each part as predicted and as the server logged it, in MiB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from strixkit.planner.choice import MemoryPlan
from strixkit.planner.facts import Answered
from strixkit.planner.memory import CheckpointSize
from strixkit.planner.parts import MIB, Where

DRAFT_COMPUTE = "draft.compute.device"
DRAFT_GROWTH = "draft.compute-growth.device"
CHECKPOINTS = "main.checkpoints."
ROUNDING_MIB = 0.01  # of each size, by the log


class Logged(Answered):
    """All buffers of one key (see `Part.key`): when the server was ready, and at most."""

    mib: float = Field(ge=0, allow_inf_nan=False)
    largest_mib: float = Field(ge=0, allow_inf_nan=False)


class Point(Answered):
    """A context checkpoint."""

    tokens: int = Field(ge=0)
    mib: float = Field(ge=0, allow_inf_nan=False)


class Rehearsed(Answered):
    """What a box answered. why: it cannot rehearse. failure: the server did not start, or did not answer a prompt.

    peak_mib: the most device memory that was taken at once. tail: the server's last lines.
    """

    why: str = ""
    failure: str = ""
    sizes: dict[str, Logged] = Field(default_factory=dict)
    checkpoints: tuple[Point, ...] = ()
    offloaded: tuple[int, int] | None = None
    n_ctx_seq: int | None = None
    answered: int = 0
    peak_mib: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One part. `rehearsed_mib` None: nothing shows it, as what a driver takes."""

    name: str
    where: Where
    predicted_mib: float
    rehearsed_mib: float | None

    @property
    def difference_mib(self) -> float:
        """How much more than predicted."""
        return 0.0 if self.rehearsed_mib is None else self.rehearsed_mib - self.predicted_mib


def rows(plan: MemoryPlan, found: Rehearsed) -> tuple[Row, ...]:
    """The parts of the start, and after a prompt those that it made grow."""
    seen = dict(found.sizes)
    by_key: dict[str, Row] = {}
    for part in plan.parts:
        if part.when != "start":
            continue
        before = by_key.get(part.key)
        predicted = part.mib + (before.predicted_mib if before else 0.0)
        name = f"{before.name}, {part.name}" if before else part.name
        size = found.sizes.get(part.key)
        seen.pop(part.key, None)
        shown = 0.0 if size is None else size.mib
        by_key[part.key] = Row(name, part.where, predicted, None if part.key.startswith("process.") else shown)
    unplanned = [Row(f"not planned: {key}", _where(key), 0.0, size.mib) for key, size in seen.items()]
    return (*by_key.values(), *unplanned, *(_grown(plan, found) if found.answered else ()))


def _where(key: str) -> Where:
    return "host" if key.endswith(".host") else "device"


def _grown(plan: MemoryPlan, found: Rehearsed) -> Iterator[Row]:
    for part in plan.parts:
        if part.when != "full":
            continue
        if part.key.startswith(CHECKPOINTS):
            kept = found.checkpoints[-plan.choice.checkpoints :] if plan.choice.checkpoints else ()
            predicted = sum(_checkpoint_mib(plan.checkpoint, point.tokens) for point in kept)
            name = f"{len(kept)} of at most {plan.choice.checkpoints} context checkpoints"
            yield Row(name, part.where, predicted, sum(point.mib for point in kept))
        elif part.key == DRAFT_GROWTH:
            size = found.sizes.get(DRAFT_COMPUTE, Logged(mib=0, largest_mib=0))
            yield Row(part.name, part.where, part.mib, size.largest_mib - size.mib)
        else:
            yield Row(part.name, part.where, part.mib, None)


def _checkpoint_mib(size: CheckpointSize, tokens: int) -> float:
    return size.at(tokens) / MIB


def added_mib(found: tuple[Row, ...], where: Where) -> float:
    """MiB beyond the plan of all that lies there; less than nothing if it takes less."""
    return sum(row.difference_mib for row in found if row.where == where)


def excess_mib(plan: MemoryPlan, found: tuple[Row, ...]) -> float:
    """MiB that the plan's worst, with what was rehearsed in place of the formulas, has too little; 0 if it fits.

    A choice that is kept may be more than what is free at the moment; then only more than that is too much.
    """
    device, host = added_mib(found, "device"), added_mib(found, "host")
    system = plan.host_worst_mib + (plan.worst_mib if plan.unified else 0.0)
    missing = max(
        plan.worst_mib + device - max(plan.budget_mib, plan.worst_mib),
        system + host + (device if plan.unified else 0.0) - max(plan.system_budget_mib, system),
    )
    return missing if missing > ROUNDING_MIB * len(found) else 0.0
