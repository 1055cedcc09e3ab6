"""The main job on a real box: first deploy, nothing to do, a change, a bad release, rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.engine.events import ignore
from strixkit.errors import ConnectError, InputError
from strixkit.fleet import verbs
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT, EXPECTED_REASONING
from strixkit.secret import Secret
from tests.box.lab import Lab

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


@pytest.fixture(scope="module")
def deployed(lab: Lab) -> Lab:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    return lab


def test_answers_as_the_model_must(deployed: Lab) -> None:
    answer = deployed.chat()
    message = answer["choices"][0]["message"]
    assert message["content"].strip() == EXPECTED_CONTENT
    assert message["reasoning_content"].strip() == EXPECTED_REASONING
    assert answer["timings"]["draft_n"] == answer["timings"]["draft_n_accepted"] > 0


def test_second_deploy_changes_nothing_in_two_round_trips(deployed: Lab) -> None:
    outcome = deployed.deploy()
    assert outcome.ok
    assert outcome.changes == []
    assert outcome.round_trips == 2


def test_runs_the_gated_release(deployed: Lab) -> None:
    assert deployed.running() == deployed.current() == deployed.gated()[-1]


def test_without_key_is_refused_and_key_is_nowhere_but_in_its_file(deployed: Lab) -> None:
    key = verbs.api_key(deployed.host(), verbs.Access(), service="main").reveal()
    assert "401" in deployed.ssh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/props")
    pid = deployed.ssh("systemctl show -p MainPID --value llama-server-main.service").strip()
    places = f"/proc/{pid}/cmdline /proc/{pid}/environ /etc/systemd/system /var/lib/strixkit /run/strixkit"
    assert deployed.ssh(f"grep -rlF {key} {places}", check=False) == ""
    assert deployed.ssh("journalctl --no-pager | grep -cF " + key, check=False).strip() == "0"


def test_unit_is_clean_and_hardened(deployed: Lab) -> None:
    unit = "llama-server-main.service"
    assert deployed.ssh(f"systemd-analyze verify /etc/systemd/system/{unit} 2>&1") == ""
    last = deployed.ssh(f"systemd-analyze security --no-pager {unit} | tail -1")
    assert float(last.split(":")[1].split()[0]) <= 2.0, last


def test_changed_profile_restarts_and_rollback_goes_back(deployed: Lab) -> None:
    before = deployed.current()
    deployed.profile = "general"
    outcome = deployed.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert "sampling.temperature" in {change.field for change in outcome.changes}
    assert deployed.running() == deployed.current() != before
    back = verbs.rollback(deployed.host(), verbs.Access(), ignore, service="main")
    assert back.ok, back.error
    assert deployed.running() == deployed.current() == before
    deployed.profile = "coding"
    assert deployed.deploy().changes == []


def test_restart_that_was_missed_is_seen(deployed: Lab) -> None:
    """Somebody starts an old unit by hand: files are right, the process is not."""
    deployed.ssh(
        "mkdir -p /run/systemd/system/llama-server-main.service.d && "
        "printf '[Service]\\nEnvironment=STRIXKIT_DIGEST=000000000000\\n' "
        "> /run/systemd/system/llama-server-main.service.d/x.conf && systemctl daemon-reload && "
        "systemctl restart llama-server-main && rm -r /run/systemd/system/llama-server-main.service.d && "
        "systemctl daemon-reload"
    )
    outcome = deployed.deploy()
    assert [change.field for change in outcome.changes] == ["process"]
    assert outcome.ok, (outcome.error, outcome.log)
    assert deployed.running() == deployed.current()


def test_unknown_architecture_keeps_the_old_one(deployed: Lab, tmp_path: Path) -> None:
    """The gate's words for a release that cannot serve; the old one serves on."""
    before = deployed.current()
    data = deployed.model.read_bytes().replace(b"qwen35", b"qwen99")
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(data)
    model, deployed.model = deployed.model, odd
    try:
        outcome = deployed.deploy()
    finally:
        deployed.model = model
    assert not outcome.ok
    assert "rehearsal failed, nothing was stopped" in outcome.error
    assert any("qwen99" in line for line in outcome.log)
    assert deployed.running() == deployed.current() == before
    assert deployed.deploy().changes == []


def test_rocmfp4_model_is_refused_before_anything_is_touched(deployed: Lab) -> None:
    before = deployed.gated()
    model = deployed.model
    deployed.model = Path(__file__).parent.parent / "data/gguf/tiny-pred-strix.gguf"
    try:
        with pytest.raises(InputError, match="q4_0_rocmfp4"):
            deployed.deploy()
    finally:
        deployed.model = model
    assert deployed.gated() == before


@pytest.mark.parametrize("user", ["admin", "operator"])
def test_sudo_without_and_with_password(deployed: Lab, user: str) -> None:
    lab = Lab(deployed.box, deployed.client, deployed.model, user=user)
    lab.password = Secret("operator") if user == "operator" else None
    outcome = lab.deploy()
    assert outcome.ok
    assert outcome.changes == []


def test_wrong_sudo_password_is_told_at_once(deployed: Lab) -> None:
    lab = Lab(deployed.box, deployed.client, deployed.model, user="operator", password=Secret("wrong"))
    with pytest.raises(ConnectError, match="wrong password"):
        lab.deploy()


def test_sudo_that_wants_a_password_or_is_not_allowed(deployed: Lab) -> None:
    with pytest.raises(ConnectError, match="--prompt-sudo-password"):
        Lab(deployed.box, deployed.client, deployed.model, user="operator").deploy()
    with pytest.raises(ConnectError, match="right to sudo"):
        Lab(deployed.box, deployed.client, deployed.model, user="guest", password=Secret("guest")).deploy()


def test_two_services_share_the_box_and_stay_as_they_are(deployed: Lab) -> None:
    """The second is planned beside what the first may yet take; a chat makes both grow, and nothing changes."""
    before = deployed.current()
    lab = Lab(deployed.box, deployed.client, deployed.model, more={"second": 8081})
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert lab.running() == lab.current() == before
    assert "release:second" in {change.resource for change in outcome.changes}
    for _ in range(2):
        lab.chat()
        outcome = lab.deploy()
        assert outcome.ok
        assert outcome.changes == []
        assert outcome.round_trips == 2
    for state in outcome.shown["services"]:
        print(state.name, state.held, state.plan.choice, state.plan.note)
        assert state.held.running
        assert state.held.host_bytes > 10 << 20  # the software device's memory is its own
        assert state.held.choice == state.plan.choice.model_dump()
        reasons = {reason.option: reason.reason for reason in state.plan.reasons}
        assert reasons["context.size"].startswith("kept: ")
    outcome = lab.deploy(replan=True)
    assert outcome.ok, (outcome.error, outcome.log)
    assert lab.deploy().changes == []
