"""At every point of a first and of a changed deploy: the controller goes away, or the box loses power.

Afterwards a plain `deploy` always ends in a gated release, and where an old one served it serves until the new is good.
The points are not a list in this file: a deploy without interruption names them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strixkit import sandbox
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box

RESET = (
    "systemctl disable --now llama-server-main.service 2>/dev/null; "
    "rm -rf /etc/systemd/system/llama-server-main.service /var/lib/strixkit /etc/strixkit /usr/local/lib/strixkit; "
    "systemctl daemon-reload; userdel llama; true"
)


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


def _abandon() -> None:
    raise Abandoned


def _connection_lost(lab: Lab, point: str) -> None:
    """The controller dies at `point`; the job on the box goes on by itself."""
    with pytest.raises(Abandoned):
        lab.deploy(hold_at=point, on_held=_abandon)
    lab.ssh("touch /run/strixkit/go-on")


def _power_cut(lab: Lab, point: str) -> None:
    """The box loses power at `point` and boots again."""

    def cut() -> None:
        sandbox.power_cut(lab.box.name)
        raise Abandoned

    with pytest.raises(Abandoned):
        lab.deploy(hold_at=point, on_held=cut)
    sandbox.start(lab.box.name)


def _is_good(lab: Lab, point: str) -> None:
    assert lab.running() == lab.current() == lab.gated()[-1], (point, lab.gated())
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
    assert lab.ssh("systemctl is-enabled llama-server-main.service").strip() == "enabled"


INTERRUPTIONS = [_connection_lost, _power_cut]


@pytest.mark.parametrize("interrupt", INTERRUPTIONS, ids=["connection", "power"])
def test_first_deploy(lab: Lab, interrupt: Callable[[Lab, str], None]) -> None:
    lab.profile = "coding"
    lab.ssh(RESET)
    assert lab.deploy().ok
    points = lab.points()
    assert len(points) > 10
    for point in points:
        lab.ssh(RESET)
        interrupt(lab, point)
        outcome = lab.deploy()
        assert outcome.ok, (point, outcome.error, outcome.log)
        _is_good(lab, point)
        assert lab.deploy().changes == [], point


@pytest.mark.parametrize("interrupt", INTERRUPTIONS, ids=["connection", "power"])
def test_changed_deploy(lab: Lab, interrupt: Callable[[Lab, str], None]) -> None:
    profiles = ["general", "coding"]
    lab.profile = "coding"
    assert lab.deploy().ok
    lab.profile = "general"
    assert lab.deploy().ok
    points = lab.points()
    assert any(point.endswith(":trial") for point in points)
    for number, point in enumerate(points):
        old = lab.current()
        lab.profile = profiles[(number + 1) % 2]
        interrupt(lab, point)
        _serves_gated(lab, old)
        outcome = lab.deploy()
        assert outcome.ok, (point, outcome.error, outcome.log)
        assert lab.current() != old
        _is_good(lab, point)


def _serves_gated(lab: Lab, old: str) -> None:
    """Before anybody repairs anything: after a power cut the box has booted into a release that passed its gate."""
    lab.ssh("mkdir -p /run/strixkit && flock --shared /run/strixkit/job.lock true")
    lab.ssh("for i in $(seq 300); do systemctl is-active -q llama-server-main.service && break; sleep 0.1; done")
    assert lab.running() in {old, *lab.gated()}
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
