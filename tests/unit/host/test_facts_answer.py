"""A box that lies about itself, or says nonsense, is told in one short line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.errors import RemoteError
from strixkit.host.facts_answer import facts_in
from strixkit.planner.facts import Facts
from tests import trees

GOOD = trees.facts_of("strix-128gb-bare").model_dump(mode="json")


def test_what_the_agent_says_is_taken() -> None:
    assert facts_in({"facts": GOOD}, "box").model_dump(mode="json") == GOOD


@pytest.mark.parametrize("answer", [None, [], {}, 3, "facts", {"facts": None}, {"facts": []}, {"other": GOOD}])
def test_no_facts_at_all(answer: Any) -> None:
    with pytest.raises(RemoteError, match=r"^box: the facts make no sense: "):
        facts_in(answer, "box")


LIES: list[tuple[str, Any, str]] = [
    ("cores", 0, "facts.cores"),
    ("cores", 10**4000, "facts.cores"),
    ("hostname", "x" * 300, "facts.hostname"),
    ("hostname", "\ud800", "facts.hostname"),
    ("cmdline", "x" * 5000, "facts.cmdline"),
    ("memory", {"total_bytes": 1 << 60, "available_bytes": 0}, "facts.memory.total_bytes"),
    ("memory", {"total_bytes": -1, "available_bytes": 0}, "facts.memory.total_bytes"),
    ("gpu", {"busy_percent": 101}, "facts.gpu.busy_percent"),
    ("gpu", {"carveout_options": ["x"] * 1000}, "facts.gpu.carveout_options"),
    ("kfd", [{"gfx_target_version": 110501}] * 1000, "facts.kfd"),
    ("kfd", [{"gfx_target_version": "x"}], "facts.kfd.0.gfx_target_version"),
    ("gpu_users", [{"pid": -1, "command": "", "device": ""}], "facts.gpu_users.0.pid"),
    ("settings", [["a", "b", "c"]], "facts.settings.0"),
    ("packages", {str(number): "1" for number in range(1000)}, "facts.packages"),
    ("packages", {"x" * 100_000: "1"}, "facts.packages"),
    ("module_parameters", {"x" * 100_000: 1}, "facts.module_parameters"),
    ("free_bytes", {"/": -1}, "facts.free_bytes"),
    ("simulated", "all", "facts.simulated"),
]


@pytest.mark.parametrize(("field", "value", "where"), LIES)
def test_a_lie_is_named_in_one_line(field: str, value: Any, where: str) -> None:
    with pytest.raises(RemoteError) as caught:
        facts_in({"facts": {**GOOD, field: value}}, "box")
    said = str(caught.value)
    assert said.startswith(f"box: the facts make no sense: {where}")
    assert len(said) < 300
    assert "\n" not in said


def test_a_flood_of_faults_is_still_one_line() -> None:
    flood = {**GOOD, "gpu_users": [{"pid": "x", "command": 1}] * 100_000, "packages": dict.fromkeys("abc", 1)}
    with pytest.raises(RemoteError) as caught:
        facts_in({"facts": flood}, "box")
    assert len(str(caught.value)) < 300


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(Facts.model_fields)), _JSON, max_size=6))
def test_any_answer_is_facts_or_refused(lies: dict[str, Any]) -> None:
    try:
        found = facts_in(json.loads(json.dumps({"facts": {**GOOD, **lies}})), "box")
    except RemoteError as error:
        assert len(str(error)) < 300
    else:
        assert found.cores >= 1
