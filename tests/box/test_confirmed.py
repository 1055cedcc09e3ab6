"""The server's own log and the process's memory, held against the plan; what was measured serves the next plans."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from strixkit.display.journal import lines
from strixkit.engine.events import Event, ignore
from strixkit.fleet import verbs
from strixkit.planner.parts import Part
from tests.box.lab import Lab

pytestmark = pytest.mark.box
UNIT = "llama-server-main.service"
HOME = "/var/lib/strixkit/services/main"


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


def measured(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.ssh(f"cat {HOME}/current/measured.json"))
    return found


def parts(lab: Lab) -> dict[str, Part]:
    """The parts as `invoke plan` has them now, by key."""
    outcome = verbs.plan(lab.host(), verbs.Access(), ignore, profiles={})
    assert outcome.round_trips == 2
    [state] = outcome.shown["services"]
    return {part.key: part for part in state.plan.parts}


def notes(lab: Lab) -> list[str]:
    return [event.text for event in lab.events if event.kind == "note"]


def logged(lab: Lab) -> dict[tuple[str, str], list[float]]:
    """Device and kind -> sizes, from the journal, read otherwise than the agent does."""
    text = lab.ssh(f"journalctl --no-pager -o cat -u {UNIT} | tac | sed '/loading model tensors/q' | tac")
    found: dict[tuple[str, str], list[float]] = {}
    for device, kind, size in re.findall(r"(\S+) +(\w+) buffer size = +([0-9.]+) MiB", text):
        found.setdefault((device, kind), []).append(float(size))
    return found


def test_predicted_and_measured_side_by_side(lab: Lab) -> None:
    before = parts(lab)
    assert not any(part.measured for part in before.values())
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert outcome.said == notes(lab) == []
    found = measured(lab)
    rows = {row["key"]: row for row in found["parts"]}
    assert set(rows) == {key for key, part in before.items() if part.when == "start"} - {"process.driver.device"}
    for key, row in rows.items():
        assert row["predicted_mib"] == pytest.approx(before[key].mib)
        if "compute" not in key:
            assert row["exact"]
            assert row["measured_mib"] == pytest.approx(row["predicted_mib"], abs=0.0051)
    log = logged(lab)
    assert log["Vulkan0", "KV"] == [rows["main.KV.device"]["measured_mib"], rows["draft.KV.device"]["measured_mib"]]
    assert log["Vulkan0", "RS"] == [rows["main.RS.device"]["measured_mib"]]
    assert log["Vulkan0", "model"] == [rows["main.model.device"]["measured_mib"]]
    assert log["Vulkan0", "compute"][0] == rows["main.compute.device"]["measured_mib"]
    assert log["Vulkan0", "compute"][1] == rows["draft.compute.device"]["measured_mib"]
    assert found["checkpoints"][0]["measured_mib"] == pytest.approx(
        found["checkpoints"][0]["predicted_mib"], abs=0.0006
    )
    assert (
        found["process"]["host_mib"] > rows["main.KV.device"]["measured_mib"]
    )  # a software device's memory is its own


def test_the_next_plan_has_the_measured_compute_buffers_and_restarts_nothing(lab: Lab) -> None:
    rows = {row["key"]: row for row in measured(lab)["parts"]}
    now = parts(lab)
    assert {key for key, part in now.items() if part.sure == "measured"} == {key for key in rows if "compute" in key}
    for key, row in rows.items():
        assert now[key].mib == pytest.approx(row["measured_mib"] if "compute" in key else row["predicted_mib"])
    assert now["main.compute.device"].mib != now["main.compute.device"].formula_mib
    pid = lab.ssh(f"systemctl show -p MainPID --value {UNIT}")
    outcome = lab.deploy()
    assert (outcome.changes, outcome.round_trips) == ([], 2)
    assert lab.ssh(f"systemctl show -p MainPID --value {UNIT}") == pid


def test_other_settings_have_their_own_buffers(lab: Lab) -> None:
    """Another sampling is none of them; another batch and another environment are."""
    assert any(part.measured for part in parts(dataclasses.replace(lab, profile="general")).values())
    for other in ({"profile": "small"}, {"environment": {**lab.environment, "GGML_VK_DISABLE_FUSION": "1"}}):
        assert not any(part.measured for part in parts(dataclasses.replace(lab, **other)).values()), other


def test_layers_that_do_not_reach_the_device_fail_the_gate(lab: Lab) -> None:
    before = lab.current()
    other = dataclasses.replace(lab, environment={**lab.environment, "LLAMA_ARG_OVERRIDE_TENSOR": ".*=CPU"})
    outcome = other.deploy()
    assert not outcome.ok
    assert "no layer reached a device, 999 were asked for" in outcome.error
    assert lab.running() == lab.current() == before
    assert lab.deploy().changes == []


def test_a_log_that_is_not_there_confirms_nothing(lab: Lab) -> None:
    quiet = f"/run/systemd/system/{UNIT}.d"
    lab.ssh(
        f"mkdir -p {quiet} && printf '[Service]\\nStandardOutput=null\\nStandardError=null\\n' > {quiet}/quiet.conf"
    )
    lab.profile = "general"
    try:
        outcome = lab.deploy()
        assert outcome.ok, (outcome.error, outcome.log)
    finally:
        lab.profile = "coding"
        lab.ssh(f"rm -r {quiet} && systemctl daemon-reload")
    assert notes(lab) == ["memory not confirmed: the journal has no line of this run"]
    assert outcome.said == ["release:main: memory not confirmed: the journal has no line of this run"]
    assert lab.ssh(f"ls {HOME}/current/measured.json", check=False) == ""


def test_a_wrong_plan_is_said_and_kept(lab: Lab) -> None:
    """Somebody has changed the manifest of the release before, to which a rollback goes back."""
    [before] = [name for name in lab.gated() if name != lab.current()]
    path = f"{HOME}/releases/{before}/manifest.json"
    manifest = json.loads(lab.ssh(f"cat {path}"))
    for part in manifest["plan"]["parts"]:
        part["mib"] *= 2 if part["key"] == "main.KV.device" else 1
    lab.ssh(f"cat > {path}", stdin=json.dumps(manifest))
    events: list[Event] = []
    outcome = verbs.rollback(lab.host(), verbs.Access(), events.append, service="main")
    assert outcome.ok, (outcome.error, outcome.log)
    words = "KV cache takes 256.00 MiB, planned 512.00 (main.KV.device)"
    assert words in [event.text for event in events if event.kind == "note"]
    assert any(text.startswith("all buffers take ") for text in measured(lab)["findings"])
    assert words in measured(lab)["findings"]
    assert any(words in line for line in lines(verbs.journal(lab.host(), verbs.Access(), limit=5)))
    assert lab.running() == lab.current() == before
