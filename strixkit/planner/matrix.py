"""Profiles against boxes: what each profile becomes on each box, or in short why nothing fits. All sizes in MiB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from strixkit.errors import InputError
from strixkit.planner.choice import plan
from strixkit.planner.facts import Facts
from strixkit.planner.kept import Kept
from strixkit.planner.profile import Profile
from strixkit.planner.reasons import NothingFits
from strixkit.planner.run import Family
from strixkit.planner.shape import ModelShape


class Cell(BaseModel):
    """One profile on one box, alone there. `why` is empty if a plan fits; without one there is no choice.

    start_mib, full_mib: on the device, when the server is ready and with the context full.
    """

    model_config = ConfigDict(frozen=True)

    profile: str
    box: str
    variant: str
    choice: Kept | None = None
    start_mib: float | None = None
    full_mib: float | None = None
    budget_mib: float
    why: str = ""


@dataclass(frozen=True)
class Row:
    """A profile with the variant of the model that it serves, and its shape."""

    name: str
    profile: Profile
    variant: str
    shape: ModelShape


def matrix(rows: Sequence[Row], boxes: Mapping[str, Facts], family: Family) -> tuple[Cell, ...]:
    """A cell for each profile and box, row by row. Raises InputError, profile named, if one contradicts itself."""
    return tuple(_cell(row, box, facts, family) for row in rows for box, facts in boxes.items())


def _cell(row: Row, box: str, facts: Facts, family: Family) -> Cell:
    try:
        found = plan(facts, row.shape, row.profile, family)
    except NothingFits as error:
        return Cell(profile=row.name, box=box, variant=row.variant, budget_mib=error.budget_mib, why=error.short)
    except InputError as error:
        raise InputError(f"profile {row.name}: {error.message}", hint=error.hint) from error
    return Cell(
        profile=row.name,
        box=box,
        variant=row.variant,
        choice=found.choice,
        start_mib=found.start_mib,
        full_mib=found.full_mib,
        budget_mib=found.budget_mib,
    )
