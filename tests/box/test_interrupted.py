"""Interruptions of a kind of their own: in the middle of an upload and of dpkg, and deaths that nobody reports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strixkit import sandbox
from strixkit.engine.events import Event
from strixkit.errors import ConnectError, LockedError
from tests.box.interruptions import RESET, is_good
from tests.box.lab import Abandoned, Lab

pytestmark = [pytest.mark.box, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    assert lab.deploy().ok
    return lab


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
        is_good(lab, "upload")
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
    is_good(lab, "dead box")


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
    is_good(lab, "vanished")


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
    is_good(lab, "dpkg")
