"""Three boxes of 64 GB, three plans: the default GTT limit, a raised one, and a second service beside the first.

The model is scaled down, so the GTT limits are too, and all of it is labelled as simulated; the plans are made by the
same code as for the real model, each server runs for real, and its own log confirms what was planned.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strixkit.host.context import ServiceState
from strixkit.planner.choice import MemoryPlan
from tests.box.lab import Lab

pytestmark = pytest.mark.box

SCALE = 24
MIB = 1 << 20
# Of a 64 GB box: half of the memory that Linux sees, and ttm.pages_limit=14680064.
GTT_MIB = {"default": 31_283, "raised": 57_344}
HARDWARE = Path(__file__).parents[2] / "strixkit/sandbox/hardware/framework-64gb.json"


@dataclass(frozen=True)
class Deployed:
    """One service: its plan, and what the box says of it."""

    plan: MemoryPlan
    measured: dict[str, Any]
    props: dict[str, Any]


def _hardware(folder: Path, gtt: str) -> Path:
    facts = json.loads(HARDWARE.read_text())
    facts["source"] = f"{facts['source']} Scaled down: GTT is 1/{SCALE} of {GTT_MIB[gtt]} MiB ({gtt})."
    facts["gpu"]["gtt_total_bytes"] = GTT_MIB[gtt] * MIB // SCALE
    path = folder / f"{gtt}.json"
    path.write_text(json.dumps(facts))
    return path


def _deployed(lab: Lab, services: dict[str, int]) -> dict[str, Deployed]:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert any("SIMULATED" in note for note in outcome.notes)
    states: dict[str, ServiceState] = {state.name: state for state in outcome.shown["services"]}
    return {name: _found(lab, states[name], port) for name, port in services.items()}


def _found(lab: Lab, state: ServiceState, port: int) -> Deployed:
    assert state.plan is not None
    home = f"/var/lib/strixkit/services/{state.name}/current"
    measured = json.loads(lab.ssh(f"cat {home}/measured.json"))
    key = lab.ssh(f"cat /etc/strixkit/credentials/{state.name}.key").strip()
    props = json.loads(lab.ssh(f"curl -sS -H 'Authorization: Bearer {key}' http://127.0.0.1:{port}/props"))
    return Deployed(state.plan, measured, props)


@pytest.fixture(scope="module")
def found(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Deployed]:
    folder = tmp_path_factory.mktemp("hardware")
    [small] = boxes(1, _hardware(folder, "default"))
    [large] = boxes(1, _hardware(folder, "raised"))
    default = _deployed(Lab(small, client, tiny_model), {"main": 8080})["main"]
    alone = Lab(large, client, tiny_model)
    raised = _deployed(alone, {"main": 8080})["main"]
    shared = _deployed(Lab(large, client, tiny_model, more={"second": 8081}), {"main": 8080, "second": 8081})
    assert shared["main"].plan.choice == raised.plan.choice
    return {"default": default, "raised": raised, "beside": shared["second"]}


def test_three_boxes_have_three_plans(found: dict[str, Deployed]) -> None:
    contexts = {name: item.plan.choice.context for name, item in found.items()}
    assert contexts["raised"] == 262144
    assert len({item.plan.choice for item in found.values()}) == 3, contexts
    for item in found.values():
        assert item.plan.worst_mib <= item.plan.budget_mib


def test_each_wish_that_was_not_met_has_a_reason_with_a_number(found: dict[str, Deployed]) -> None:
    for name in ("default", "beside"):
        reasons = {reason.option: reason.reason for reason in found[name].plan.reasons}
        assert "MiB more on the device" in reasons["context.size"], (name, reasons)
    assert "for other services" in found["beside"].plan.budget_words


def test_each_server_runs_as_planned(found: dict[str, Deployed]) -> None:
    for name, item in found.items():
        assert item.props["default_generation_settings"]["n_ctx"] == item.plan.sequence, name


def test_each_log_confirms_the_plan(found: dict[str, Deployed]) -> None:
    for name, item in found.items():
        exact = [row for row in item.measured["parts"] if row["exact"] and row["lines"]]
        assert {row["key"] for row in exact} >= {"main.KV.device", "draft.KV.device", "main.RS.device"}, name
        for row in exact:
            assert row["measured_mib"] == pytest.approx(row["predicted_mib"], abs=0.0051), (name, row)
        total = item.measured["total"]
        assert total["measured_mib"] == pytest.approx(total["predicted_mib"], rel=0.03), name
