"""A rehearsed release held against its plan."""

from __future__ import annotations

import pytest
from planner_cases import BOX_128_RAISED, CODING, SHAPE_27B

from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.rehearsal import Logged, Point, Rehearsed, Row, added_mib, excess_mib, rows

FULL = SHAPE_27B.model_copy(update={"from_header": True})


@pytest.fixture(scope="module")
def planned() -> MemoryPlan:
    return plan(BOX_128_RAISED, FULL, CODING, "rocmfp4")


def as_planned(planned: MemoryPlan, more: dict[str, float] | None = None) -> dict[str, Logged]:
    """What a server logs that takes what was predicted, and some more."""
    sizes: dict[str, float] = dict(more or {})
    for part in planned.parts:
        if part.when == "start" and not part.key.startswith("process."):
            sizes[part.key] = sizes.get(part.key, 0.0) + part.mib
    return {key: Logged(mib=mib, largest_mib=mib) for key, mib in sizes.items()}


def by_name(found: tuple[Row, ...]) -> dict[str, Row]:
    return {row.name: row for row in found}


def test_as_predicted(planned: MemoryPlan) -> None:
    found = rows(planned, Rehearsed(sizes=as_planned(planned)))
    assert [row for row in found if abs(row.difference_mib) > 1e-9] == []
    assert by_name(found)["driver"].rehearsed_mib is None
    assert excess_mib(planned, found) == 0


def test_more_than_predicted_is_too_large_only_beyond_the_budget(planned: MemoryPlan) -> None:
    room = planned.budget_mib - planned.worst_mib
    fits = rows(planned, Rehearsed(sizes=as_planned(planned, {"main.compute.device": room / 2})))
    assert added_mib(fits, "device") == pytest.approx(room / 2)
    assert excess_mib(planned, fits) == 0
    too_large = rows(planned, Rehearsed(sizes=as_planned(planned, {"main.compute.device": room + 10})))
    assert excess_mib(planned, too_large) >= 10


def test_what_nobody_planned_counts(planned: MemoryPlan) -> None:
    found = rows(planned, Rehearsed(sizes=as_planned(planned, {"main.odd.host": 5.0})))
    assert by_name(found)["not planned: main.odd.host"] == Row("not planned: main.odd.host", "host", 0.0, 5.0)
    assert added_mib(found, "host") == pytest.approx(5)


def test_what_is_missing_counts_as_nothing(planned: MemoryPlan) -> None:
    sizes = as_planned(planned)
    del sizes["main.RS.device"]
    assert by_name(rows(planned, Rehearsed(sizes=sizes)))["recurrent state"].rehearsed_mib == 0


def test_after_a_prompt_what_grew(planned: MemoryPlan) -> None:
    sizes = as_planned(planned)
    start = sizes["draft.compute.device"].mib
    sizes["draft.compute.device"] = Logged(mib=start, largest_mib=start + 81.94)
    point = planned.checkpoint
    mib = (point.fixed_bytes + 2048 * point.token_bytes) / (1 << 20)
    made = tuple(Point(tokens=2048, mib=mib) for _ in range(planned.choice.checkpoints + 5))
    found = by_name(rows(planned, Rehearsed(sizes=sizes, checkpoints=made, answered=1)))
    assert found["draft compute after the first draft"].rehearsed_mib == pytest.approx(81.94)
    most = planned.choice.checkpoints
    kept = found[f"{most} of at most {most} context checkpoints"]
    assert kept.difference_mib == pytest.approx(0)
    assert kept.predicted_mib == pytest.approx(most * mib)
    assert found["output after the first long prompt"].rehearsed_mib is None
