"""The decision: facts of a host, shape of a model and wishes of a profile -> the best plan that fits."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from strixkit.planner.bar import Bar, bar_of
from strixkit.planner.budget import ALONE, NOTHING, Need, Neighbours, need_of
from strixkit.planner.candidates import drafting_of, wishes_of
from strixkit.planner.case import Case
from strixkit.planner.draft import Drafting
from strixkit.planner.facts import Facts
from strixkit.planner.kept import Kept
from strixkit.planner.measured import Measured, settings_of
from strixkit.planner.memory import CheckpointSize, checkpoint_size
from strixkit.planner.options import Options, options_from
from strixkit.planner.parts import Part
from strixkit.planner.profile import Profile
from strixkit.planner.reasons import (
    Choice,
    Reason,
    RunnerUp,
    Unmet,
    kept_note,
    nothing_fits,
    reasons_of,
    runner_up,
    unmet_wishes,
    warnings_of,
)
from strixkit.planner.run import Family
from strixkit.planner.search import best
from strixkit.planner.shape import ModelShape
from strixkit.planner.sharing import Sizes


class MemoryPlan(BaseModel):
    """A decision that fits, even at its worst. All sizes in MiB; without prefix: on the device.

    sequence: context of one slot in tokens, as the server rounds it.
    beside: as it starts, it fits beside what the running service holds that it replaces.
    note: of a kept choice only, where it differs from what would be chosen now; `fresh` is that, if anything fits.
    start, full, worst: see `Part.when`; each includes the one before.
    system_budget_mib: the limit of device and host together (of the host alone with a BIOS carve-out).
    unified: device and host share it; not with a carve-out.
    settings: what a measurement of the compute buffers must agree in to be used again.
    estimated: the sizes of the weights are the catalogue's and not read from a file.
    unmet, runner_up: of a choice that would be made now, what it lacks and what came next.
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
    unified: bool
    budget_words: str
    bar: Bar
    reasons: tuple[Reason, ...]
    unmet: tuple[Unmet, ...]
    runner_up: RunnerUp | None
    warnings: tuple[str, ...]
    estimated: bool
    settings: str
    checkpoint: CheckpointSize

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
    variants: Mapping[str, ModelShape] | None = None,
    drafting: Drafting | None = None,
    gtt_gib: int | None = None,
) -> MemoryPlan:
    """The first candidate, in the profile's order of wishes, that fits at its worst.

    running: held by the running service that this plan replaces, so that a second deploy plans the same.
    keep: taken whatever is free now, if it is one of the wishes; the plan says what would be chosen instead.
    measured: compute buffers that this runtime has had on this host with a model of this shape.
    variants: shapes of the model's other variants by name, which the plan may offer.
    drafting: what was measured of drafts on this host, instead of what is published.
    gtt_gib: the limit of GTT that a reboot brings; None where it brings none.
    Raises InputError if nothing fits and nothing is kept, with the smallest thing that would.
    """
    drafting = drafting or drafting_of(profile, shape)
    wishes = wishes_of(profile, shape, family, drafting)
    case = Case(facts, shape, profile, wishes, drafting, others, running, measured or {}, variants or {}, gtt_gib)
    fresh = best(wishes, case.fits)
    kept = keep.run(wishes) if keep else None
    run = kept or fresh
    if run is None:
        raise nothing_fits(case)
    return _memory_plan(case, Choice(run, fresh, kept is not None))


def _sizes(found: tuple[Part, ...]) -> dict[str, float]:
    """The sums of a plan's parts in its three stages."""
    sizes = {}
    for name, stages in (("start", ("start",)), ("full", ("start", "full")), ("worst", ("start", "full", "worst"))):
        need = need_of(part for part in found if part.when in stages)
        sizes.update({f"{name}_mib": need.device_mib, f"host_{name}_mib": need.host_mib})
    return sizes


def _memory_plan(case: Case, choice: Choice) -> MemoryPlan:
    run, fresh = choice.run, choice.run == choice.fresh
    found = case.parts(run)
    start = need_of(part for part in found if part.when == "start")
    options = options_from(case.profile, run, case.facts.cores)
    unmet = unmet_wishes(case, run) if fresh else ()
    return MemoryPlan(
        options=options,
        choice=Kept.of(run),
        sequence=run.sequence,
        beside=case.budget.fits(start + case.running),
        note=kept_note(case, choice),
        fresh=Kept.of(choice.fresh) if choice.fresh and not fresh else None,
        parts=found,
        **_sizes(found),
        budget_mib=case.budget.usable_mib,
        system_budget_mib=case.budget.system_mib,
        unified=case.budget.ceiling != "carve-out",
        budget_words=case.budget.words,
        bar=bar_of(case.facts, case.budget, found, case.others, case.running),
        reasons=reasons_of(case, choice, options, unmet),
        unmet=unmet,
        runner_up=runner_up(case, run) if fresh else None,
        warnings=warnings_of(case, run),
        estimated=not case.shape.from_header,
        settings=settings_of(run),
        checkpoint=checkpoint_size(case.shape, run),
    )
