"""At every point of a first and of a changed deploy: the controller goes away, or the box loses power.

Afterwards a plain `deploy` always ends in a gated release, and where an old one served it serves until the new is good.
The points are not a list in this file: a deploy without interruption names them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from strixkit import sandbox
from strixkit.engine.events import Event
from strixkit.errors import ConnectError, LockedError
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box

# Without the server's package the flags are unknown at first: the deploy has two stages, as on a new box.
RESET = (
    "systemctl disable --now llama-server-main.service 2>/dev/null; "
    "dpkg --configure -a >/dev/null 2>&1; dpkg --remove --force-depends llama.cpp-tools >/dev/null 2>&1; "
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
    points = list(dict.fromkeys(lab.points()))
    assert any("apt-get install" in point for point in points)
    assert sum(point == "done" for point in lab.points()) == 2  # two stages
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
        assert lab.deploy().changes == [], point


@pytest.mark.parametrize("gone", ["controller", "box"])
def test_model_upload(lab: Lab, tmp_path: Path, gone: str) -> None:
    """Cut off in the middle of sending a model: the next run sends only what is missing."""
    model, lab.model = lab.model, tmp_path / f"{gone}.gguf"
    # Bytes behind the tensors make another file of the same model, large enough to be cut off in the middle.
    lab.model.write_bytes(model.read_bytes() + os.urandom(48 << 20))

    def stop(event: Event) -> None:
        if event.text.endswith(" 50 %"):
            if gone == "box":
                sandbox.power_cut(lab.box.name)
            raise Abandoned

    try:
        with pytest.raises(Abandoned):
            lab.deploy(on_event=stop)
        if gone == "box":
            sandbox.start(lab.box.name)
        kept = int(lab.ssh("stat -c %s /var/lib/strixkit/models/.strixkit-*.partial"))
        assert kept > 16 << 20
        outcome = lab.deploy()
        assert outcome.ok, (outcome.error, outcome.log)
        sent = [event.text for event in lab.events if event.text.startswith("sending")]
        assert sent
        assert not any(text.endswith(" 10 %") for text in sent)
        _is_good(lab, "upload")
    finally:
        lab.model = model


def test_box_that_dies_while_the_controller_waits(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No packet says that the box is gone; the silence does."""
    assert lab.deploy().ok
    monkeypatch.setattr("strixkit.remote.session.SILENCE_SECONDS", 15)
    lab.profile = "coding" if lab.current_profile() == "general" else "general"
    with pytest.raises(ConnectError, match="nothing was heard of the box for 15 s"):
        lab.deploy(hold_at="0:release:release:main", on_held=lambda: sandbox.power_cut(lab.box.name))
    sandbox.start(lab.box.name)
    assert lab.deploy().ok
    _is_good(lab, "dead box")


def test_a_session_whose_controller_vanished_holds_no_lock(lab: Lab) -> None:
    """Its connection does not show it: sshd waits for a controller that says nothing any more."""
    assert lab.deploy().ok
    lab.profile = "coding" if lab.current_profile() == "general" else "general"

    def vanish() -> None:
        # The session's sshd is stopped, so the end of the connection does not reach the agent.
        lab.ssh("kill -STOP $(ps -o ppid= -p $(pgrep -f '^python3 -I -S -c'))")
        raise Abandoned

    with pytest.raises(Abandoned):
        lab.deploy(hold_at="0:release:release:main", on_held=vanish)
    with pytest.raises(LockedError):
        lab.deploy()
    lab.ssh("for i in $(seq 60); do pgrep -f '^python3 -I -S -c' >/dev/null || break; sleep 1; done")
    lab.ssh("touch /run/strixkit/go-on")
    assert lab.deploy().ok
    _is_good(lab, "vanished")


def test_power_cut_in_the_middle_of_dpkg(lab: Lab) -> None:
    """Packages are unpacked and not configured; dpkg wants to be repaired before anything else."""
    lab.ssh(RESET)
    # The server's package asks update-alternatives while it is configured. This one waits; as a mount it is gone
    # with the power.
    lab.ssh(
        "printf '#!/bin/sh\ntouch /run/in-dpkg; sleep 600\n' > /root/slow && chmod +x /root/slow && "
        "mount --bind /root/slow /usr/bin/update-alternatives"
    )

    def cut(event: Event) -> None:
        if event.text.startswith("apt-get install") and event.kind == "progress":
            lab.ssh("for i in $(seq 600); do [ -e /run/in-dpkg ] && exit; sleep 0.1; done; exit 1")
            sandbox.power_cut(lab.box.name)
            raise Abandoned

    with pytest.raises(Abandoned):
        lab.deploy(on_event=cut)
    sandbox.start(lab.box.name)
    assert lab.ssh("dpkg --audit") != ""
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert lab.ssh("dpkg --audit") == ""
    _is_good(lab, "dpkg")


def _serves_gated(lab: Lab, old: str) -> None:
    """Before anybody repairs anything: after a power cut the box has booted into a release that passed its gate."""
    lab.ssh("mkdir -p /run/strixkit && flock --shared /run/strixkit/job.lock true")
    lab.ssh("for i in $(seq 300); do systemctl is-active -q llama-server-main.service && break; sleep 0.1; done")
    assert lab.running() in {old, *lab.gated()}
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
