"""The role `tuning` with the real tuned and the real systemd.

A box is a container, and the role passes those over: here its local facts say that it is a machine. What tuned cannot
set in a container is then what it cannot set on a machine: told, and a difference that stays.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strixkit.config.host import Provisioning
from tests.box.lab import Lab

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    hardware = tmp_path_factory.mktemp("hardware") / "machine.json"
    hardware.write_text(json.dumps({"virtualization": ""}))
    [box] = boxes(1, hardware)
    return Lab(box, client, tiny_model, provisioning=Provisioning(tuning="none"))


def state(lab: Lab, unit: str) -> list[str]:
    return lab.ssh(f"systemctl is-enabled {unit}; systemctl is-active {unit}; true").split()


def test_tuned_runs_alone_and_a_profile_that_does_not_take_is_told(lab: Lab) -> None:
    assert lab.deploy().ok
    served = lab.current()
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends tlp"
    lab.ssh(f"apt-get update && {install} >/dev/null 2>&1")
    lab.provisioning = Provisioning(tuning="tuned")
    outcome = lab.deploy()
    print(outcome.error, outcome.remaining, outcome.said)
    assert state(lab, "tuned.service") == ["enabled", "active"]
    assert {"absent_packages:tlp", "packages:tuning"} <= {change.resource for change in outcome.changes}
    assert lab.ssh("dpkg-query -W -f='${db:Status-Status}' tlp") == "config-files"
    assert "accelerator-performance" in lab.ssh("tuned-adm active")
    assert lab.current() == served
    verified = lab.ssh("tuned-adm verify --ignore-missing >/dev/null && echo yes", check=False).strip() == "yes"
    assert outcome.ok == verified
    if not verified:
        assert [change.resource for change in outcome.remaining] == ["power_profile:tuned"]
        assert any("tuned-adm verify fails for accelerator-performance: " in text for text in outcome.said)


def test_power_profiles_take_over_and_give_back(lab: Lab) -> None:
    lab.provisioning = Provisioning(tuning="power-profiles")
    lab.deploy()
    assert state(lab, "tuned.service") == ["masked", "inactive"]
    assert state(lab, "power-profiles-daemon.service")[0] == "enabled"
    lab.provisioning = Provisioning(tuning="tuned")
    lab.deploy()
    assert state(lab, "tuned.service") == ["enabled", "active"]
    assert state(lab, "power-profiles-daemon.service") == ["masked", "inactive"]


def test_none_leaves_all_as_it_is(lab: Lab) -> None:
    before = state(lab, "tuned.service")
    lab.provisioning = Provisioning(tuning="none")
    assert lab.deploy().changes == []
    assert state(lab, "tuned.service") == before
