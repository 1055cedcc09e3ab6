"""Measured compute buffers in the place of formulas: of the same settings only, and nothing else changes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import BOX_128_RAISED, CODING, SHAPE_27B, changed
from planner_strategies import BOXES, FAMILIES, PROFILES, SHAPES, planned
from test_memory_formulas import CARD

from strixkit.planner.budget import need_of
from strixkit.planner.choice import plan
from strixkit.planner.measured import INDIFFERENT, Seen, settings_of, with_measured
from strixkit.planner.parts import parts
from strixkit.planner.run import CacheTypes

SEEN = {"main.compute.device": Seen(400.0, 410.0), "draft.compute.device": Seen(200.0, 650.0)}
OTHER = {
    "family": "upstream",
    "hip": False,
    "context": 131072,
    "parallel": 2,
    "batch": 1024,
    "micro": 128,
    "kv": CacheTypes("f16", "q8_0"),
    "draft_kv": CacheTypes("q8_0", "q8_0"),
    "draft_max": 4,
    "flash_attention": False,
    "unified": True,
    "cpu": True,
}


def sizes(run, measured):
    return {part.key: (part.mib, part.sure) for part in with_measured(parts(SHAPE_27B, run), run, measured)}


def test_measured_and_grown() -> None:
    found = sizes(CARD, {settings_of(CARD): SEEN})
    formulas = sizes(CARD, {})
    assert found["main.compute.device"] == (410.0, "measured")  # what it has grown by is no part of its own
    assert found["draft.compute.device"] == (200.0, "measured")
    assert found["draft.compute-growth.device"] == (450.0, "measured")
    assert found["main.compute.host"] == formulas["main.compute.host"]
    assert {key for key in found if found[key] != formulas[key]} == {*SEEN, "draft.compute-growth.device"}


@pytest.mark.parametrize("name", [field.name for field in fields(CARD)])
def test_each_setting_that_may_shape_a_buffer_counts(name: str) -> None:
    """A setting that is added later is looked at here: either it shapes no buffer, or OTHER has a value for it."""
    if name in INDIFFERENT:
        assert settings_of(replace(CARD, **{name: 1})) == settings_of(CARD)
    else:
        other = replace(CARD, **{name: OTHER[name]})
        assert sizes(other, {settings_of(CARD): SEEN}) == sizes(other, {})


def test_one_buffer_for_several_parts() -> None:
    """Without a GPU the log has one compute buffer for what the device and the host would have."""
    profile = changed(CODING, device={"gpu_layers": 0})
    before = plan(BOX_128_RAISED, SHAPE_27B, profile, "rocmfp4")
    seen = {"main.compute.host": Seen(500.0, 500.0)}
    after = plan(BOX_128_RAISED, SHAPE_27B, profile, "rocmfp4", measured={before.settings: seen})
    [part] = [part for part in after.parts if part.key == "main.compute.host"]
    assert part.mib == 500.0
    assert part.formula_mib == sum(part.mib for part in before.parts if part.key == "main.compute.host")


@given(BOXES, SHAPES, PROFILES, FAMILIES, st.floats(0, 50_000), st.floats(0, 50_000))
def test_a_measurement_changes_sizes_and_no_choice_that_is_kept(facts, shape, profile, family, ready, more) -> None:
    before = planned(facts, shape, profile, family)
    if before is None:
        return
    seen = {f"{context}.compute.device": Seen(ready, ready + more) for context in ("main", "draft")}
    after = plan(facts, shape, profile, family, keep=before.choice, measured={before.settings: seen})
    assert after.choice == before.choice
    assert after.options == before.options
    assert after.settings == before.settings
    # A choice that is not kept must fit with what was measured.
    fresh = planned(facts, shape, profile, family, measured={before.settings: seen})
    if fresh is not None:
        assert fresh.worst_mib == pytest.approx(need_of(fresh.parts).device_mib)
        assert fresh.worst_mib <= fresh.budget_mib + 0.001
