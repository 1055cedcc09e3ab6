"""The model of drafting against published runs, and what it is not good for."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

import pytest

from strixkit.planner.draft import DEEPEST, PUBLISHED, Drafting, Kind, published

DATA = Path(__file__).parents[2] / "data/drafting"


def rows(name: str, **wanted: str) -> list[dict[str, str]]:
    with (DATA / name).open() as file:
        return [row for row in csv.DictReader(file) if wanted.items() <= row.items()]


@pytest.mark.parametrize(
    ("model", "kind", "hip", "error"),
    [("Qwen3.6-27B", "dense", True, 0.003), ("Qwen3.6-35B-A3B", "moe", False, 0.017)],
)
def test_the_fitted_cost_on_the_points_it_was_fitted_to(model: str, kind: Kind, hip: bool, error: float) -> None:
    """With the acceptance that was logged, so that only the cost is tested."""
    runs = rows("kyuz0.csv", model=model)
    assert len(runs) == 18
    errors = []
    for run in runs:
        depth, accepted = int(run["n"]), int(run["accepted"]) / int(run["drafted"])
        speed = float(run["plain_tokens_per_s"]) * (1 + accepted * depth) / (1 + PUBLISHED[kind, hip].cost * depth)
        errors.append(abs(speed / float(run["tokens_per_s"]) - 1))
    assert fmean(errors) <= error


@pytest.mark.parametrize(("model", "kind", "hip"), [("Qwen3.6-27B", "dense", True), ("Qwen3.6-35B-A3B", "moe", False)])
def test_the_acceptance_of_three_from_that_of_two(model: str, kind: Kind, hip: bool) -> None:
    for depth in (2, 3):
        runs = rows("kyuz0.csv", model=model, n=str(depth))
        accepted = sum(int(run["accepted"]) for run in runs) / sum(int(run["drafted"]) for run in runs)
        assert PUBLISHED[kind, hip].accepted(depth) == pytest.approx(accepted, abs=0.001 if depth == 2 else 0.004)
        speed = fmean(float(run["tokens_per_s"]) / float(run["plain_tokens_per_s"]) for run in runs)
        assert PUBLISHED[kind, hip].speedup(depth) == pytest.approx(speed, rel=0.04)


@pytest.mark.parametrize(("backend", "hip"), [("Vulkan", False), ("ROCm", True)])
def test_its_depth_loses_little_on_the_forks_own_sweeps(backend: str, hip: bool) -> None:
    """The best by measurement was 3 and 4; the model's own best, without the tolerance, is deeper."""
    speeds = {int(run["n"]): float(run["tokens_per_s"]) for run in rows("sweeps.csv", backend=backend)}
    model = PUBLISHED["dense", hip]
    assert speeds[model.depth] >= 0.98 * max(speeds.values())
    assert max(range(1, DEEPEST + 1), key=model.speedup) > model.depth


@pytest.mark.parametrize(
    ("architecture", "hip", "depth"),
    [("qwen35", False, 4), ("qwen35", True, 4), ("qwen35moe", False, 2), ("qwen35moe", True, 2)],
)
def test_depths(architecture: str, hip: bool, depth: int) -> None:
    assert published(architecture, hip).depth == depth


def test_the_limits_of_the_model() -> None:
    assert Drafting(0.9, 0.2, "").speedup(0) == 1
    assert Drafting(1.0, 0.0, "").speedup(4) == 5
    assert Drafting(0.0, 0.2, "").speedup(1) == pytest.approx(1 / 1.2)
    assert Drafting(0.0, 0.2, "").depth == 1
    assert Drafting(1.0, 0.0, "").depth == DEEPEST
