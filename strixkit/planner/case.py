"""What a plan is made for, and what a candidate needs there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from strixkit.planner.budget import ALONE, NOTHING, Budget, Need, Neighbours, budget_of, need_of
from strixkit.planner.candidates import Wishes
from strixkit.planner.draft import Drafting
from strixkit.planner.facts import Facts
from strixkit.planner.measured import Measured
from strixkit.planner.parts import Part
from strixkit.planner.placing import placed_parts
from strixkit.planner.profile import Profile
from strixkit.planner.run import Run
from strixkit.planner.shape import ModelShape


@dataclass(frozen=True)
class Case:
    """A host as it is now, a model, and the wishes of a profile for it.

    running: held by the running service that the plan replaces, so that a second deploy plans the same.
    measured: compute buffers that this runtime has had on this host with a model of this shape.
    variants: other variants of the model by name, with which more might fit.
    gtt_gib: the limit of GTT that a reboot brings; None where it brings none.
    """

    facts: Facts
    shape: ModelShape
    profile: Profile
    wishes: Wishes
    drafting: Drafting
    others: Neighbours = ALONE
    running: Need = NOTHING
    measured: Measured = field(default_factory=dict)
    variants: Mapping[str, ModelShape] = field(default_factory=dict)
    gtt_gib: int | None = None

    @cached_property
    def budget(self) -> Budget:
        """What the service may take."""
        return budget_of(self.facts, self.profile.reserve.system_mib, self.others, self.running)

    def parts(self, run: Run) -> tuple[Part, ...]:
        """The parts of a candidate where they lie."""
        return placed_parts(self.shape, self.profile, run, self.measured)

    def need(self, run: Run) -> Need:
        """The most that a candidate will ever take."""
        return need_of(self.parts(run))

    def shortfall(self, run: Run) -> Need:
        """What is missing for a candidate, in MiB."""
        return self.budget.shortfall(self.need(run))

    def fits(self, run: Run) -> bool:
        """Whether nothing is missing."""
        return self.budget.fits(self.need(run))
