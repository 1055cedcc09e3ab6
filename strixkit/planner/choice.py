"""The decision: facts of a host, shape of a model and wishes of a profile -> the best plan that fits."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from strixkit.planner.budget import ALONE, NOTHING, Budget, Need, Neighbours, budget_of, need_of
from strixkit.planner.candidates import Wishes, wishes_of
from strixkit.planner.facts import Facts
from strixkit.planner.kept import Kept
from strixkit.planner.measured import Measured, by_formula, settings_of, with_measured
from strixkit.planner.memory import CheckpointSize, checkpoint_size
from strixkit.planner.options import Options, options_from
from strixkit.planner.parts import Part, parts
from strixkit.planner.profile import Profile
from strixkit.planner.reasons import Choice, NothingFits, Reason, kept_note, reasons_of, shortfall_words
from strixkit.planner.run import Family, Run
from strixkit.planner.shape import ModelShape
from strixkit.planner.sharing import Sizes


class MemoryPlan(BaseModel):
    """A decision that fits, even at its worst. All sizes in MiB; without prefix: on the device.

    sequence: context of one slot in tokens, as the server rounds it.
    beside: as it starts, it fits beside what the running service holds that it replaces.
    note: of a kept choice only, where it differs from what would be chosen now; `fresh` is that, if anything fits.
    start, full, worst: see `Part.when`; each includes the one before.
    system_budget_mib: the limit of device and host together (of the host alone with a BIOS carve-out).
    settings: what a measurement of the compute buffers must agree in to be used again.
    estimated: the sizes of the weights are the catalogue's and not read from a file.
    """

    model_config = ConfigDict(frozen=True)

    options: Options
    choice: Kept
    sequence: int
    beside: bool
    note: str = ""
    fresh: Kept | None = None
    parts: tuple[Part, ...]
    start_mib: float
    full_mib: float
    worst_mib: float
    host_start_mib: float
    host_full_mib: float
    host_worst_mib: float
    budget_mib: float
    system_budget_mib: float
    budget_words: str
    reasons: tuple[Reason, ...]
    estimated: bool
    settings: str
    checkpoint: CheckpointSize

    def by_formula(self) -> MemoryPlan:
        """The same plan as if nothing had been measured: what is rendered of it must not change by a measurement."""
        parts = tuple(by_formula(part) for part in self.parts)
        return self.model_copy(update={"parts": parts, **_sizes(parts)})

    @property
    def sizes(self) -> Sizes:
        """What a manifest keeps of it."""
        return Sizes(
            device_start_mib=self.start_mib,
            host_start_mib=self.host_start_mib,
            device_worst_mib=self.worst_mib,
            host_worst_mib=self.host_worst_mib,
        )


def plan(
    facts: Facts,
    shape: ModelShape,
    profile: Profile,
    family: Family,
    *,
    others: Neighbours = ALONE,
    running: Need = NOTHING,
    keep: Kept | None = None,
    measured: Measured | None = None,
) -> MemoryPlan:
    """The first candidate, in the profile's order of wishes, that fits at its worst.

    running: held by the running service that this plan replaces, so that a second deploy plans the same.
    keep: taken whatever is free now; the plan says what would be chosen instead.
    measured: compute buffers that this runtime has had on this host with a model of this shape.
    Raises InputError if nothing fits and nothing is kept, with the smallest thing that would.
    """
    budget = budget_of(facts, profile.reserve.system_mib, others, running)
    wishes = wishes_of(profile, shape, family)

    def need(run: Run) -> Need:
        return need_of(_placed_parts(shape, profile, run, measured))

    fresh = next((run for run in wishes.runs() if budget.fits(need(run))), None)
    run = keep.run(wishes) if keep else fresh
    if run is None:
        raise _nothing_fits(facts, wishes, budget, need)
    choice = Choice(run, fresh, keep is not None, wishes, budget, need)
    return _memory_plan(facts, shape, profile, choice, running, found=_placed_parts(shape, profile, run, measured))


def _placed_parts(shape: ModelShape, profile: Profile, run: Run, measured: Measured | None) -> tuple[Part, ...]:
    """The parts where they lie: without GPU layers all on the host. A partial offload counts as whole."""
    found = parts(shape, run)
    if profile.device.gpu_layers == 0:
        found = tuple(part.moved("host") for part in found)
    return with_measured(found, run, measured or {})


def _sizes(found: tuple[Part, ...]) -> dict[str, float]:
    """The sums of a plan's parts in its three stages."""
    sizes = {}
    for name, stages in (("start", ("start",)), ("full", ("start", "full")), ("worst", ("start", "full", "worst"))):
        need = need_of(part for part in found if part.when in stages)
        sizes.update({f"{name}_mib": need.device_mib, f"host_{name}_mib": need.host_mib})
    return sizes


def _memory_plan(
    facts: Facts, shape: ModelShape, profile: Profile, choice: Choice, running: Need, *, found: tuple[Part, ...]
) -> MemoryPlan:
    start = need_of(part for part in found if part.when == "start")
    return MemoryPlan(
        options=options_from(profile, choice.run, facts.cores),
        choice=Kept.of(choice.run),
        sequence=choice.run.sequence,
        beside=choice.budget.fits(start + running),
        note=kept_note(choice),
        fresh=Kept.of(choice.fresh) if choice.fresh not in (None, choice.run) else None,
        parts=found,
        **_sizes(found),
        budget_mib=choice.budget.usable_mib,
        system_budget_mib=choice.budget.system_mib,
        budget_words=choice.budget.words,
        reasons=reasons_of(choice, profile, shape, facts.cores),
        estimated=not shape.from_header,
        settings=settings_of(choice.run),
        checkpoint=checkpoint_size(shape, choice.run),
    )


def _nothing_fits(facts: Facts, wishes: Wishes, budget: Budget, need: Callable[[Run], Need]) -> NothingFits:
    smallest = min(wishes.runs(), key=lambda run: need(run).device_mib + need(run).host_mib)
    least = need(smallest)
    missing = shortfall_words(budget, least)
    return NothingFits(
        f"no plan fits. The smallest is context {smallest.context} with {smallest.kv} KV and "
        f"{smallest.checkpoints} checkpoints: {least.device_mib:,.0f} MiB on the device and "
        f"{least.host_mib:,.0f} MiB on the host; it needs {missing}. "
        f"Budget: {budget.usable_mib:,.0f} MiB = {budget.words}",
        short=f"context {smallest.context} with {smallest.kv} KV needs {missing}",
        budget_mib=budget.usable_mib,
        host=facts.hostname,
        hint="free memory, or lower context.least, or add a smaller type to kv.types",
    )
