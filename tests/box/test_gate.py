"""A release goes into service only through the gate, and what served before serves until then, and when it fails."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest

from strixkit.engine.events import ignore
from strixkit.errors import InputError, LockedError, StrixError
from strixkit.fleet import verbs
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box
UNIT = "llama-server-main.service"
# What the gate asks of the new release fails from then on, in the trial only: the rehearsal is another unit.
BREAK_TRIAL = (
    f"mkdir -p /run/systemd/system/{UNIT}.d && "
    f"printf '[Service]\\nExecStartPre=/bin/false\\n' > /run/systemd/system/{UNIT}.d/break.conf"
)
MEND_TRIAL = f"rm -rf /run/systemd/system/{UNIT}.d && systemctl daemon-reload"


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


def _odd_model(lab: Lab, folder: Path) -> Path:
    """A model of an architecture that no server knows."""
    path = folder / "odd.gguf"
    path.write_bytes(lab.model.read_bytes().replace(b"qwen35", b"qwen99"))
    return path


def test_first_release_that_fails_leaves_no_unit(lab: Lab, tmp_path: Path) -> None:
    model, lab.model = lab.model, _odd_model(lab, tmp_path)
    outcome = lab.deploy()
    lab.model = model
    assert not outcome.ok
    assert "no release was in service before, so none is now" in outcome.error
    assert any("qwen99" in line for line in outcome.log)
    for folder in ("/etc/systemd/system", "/run/systemd/system", "/run/systemd/system.control"):
        assert lab.ssh(f"find {folder} -name 'llama-server-*'") == ""
    assert lab.ssh(f"systemctl show -p LoadState --value {UNIT}").strip() == "not-found"
    assert lab.current() == ""
    assert lab.gated() == []


def test_then_a_good_one_comes_into_service(lab: Lab) -> None:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert lab.running() == lab.current() == lab.gated()[-1]


def test_failed_trial_brings_the_old_one_back(lab: Lab) -> None:
    before = lab.current()
    lab.ssh(BREAK_TRIAL)
    mend = threading.Event()

    def on_event(event) -> None:
        if event.text == "restore" and not mend.is_set():
            mend.set()
            lab.ssh(f"rm -rf /run/systemd/system/{UNIT}.d")

    lab.profile = "general"
    try:
        outcome = lab.deploy(hold_at=_point(lab, "restore"), on_event=_release_hold(lab, on_event))
    finally:
        lab.profile = "coding"
        lab.ssh(MEND_TRIAL)
    assert not outcome.ok
    assert f"release {before} serves again (gate passed)" in outcome.error
    assert lab.running() == lab.current() == before
    assert lab.deploy().changes == []


def _point(lab: Lab, phase: str) -> str:
    """The name of a phase of the activation in a deploy where only the release changes."""
    return f"1:activate:release:main:{phase}"


def _release_hold(lab: Lab, then):
    """Run `then` at each event, and let a job that holds go on."""

    def on_event(event) -> None:
        then(event)
        if event.kind == "held":
            lab.ssh("touch /run/strixkit/go-on")

    return on_event


@pytest.mark.parametrize("phase", ["rehearsal", "trial", "gate", "promote"])
def test_killed_job_leaves_the_old_one_in_service(lab: Lab, phase: str) -> None:
    """Somebody stops the job's unit; no reboot comes to clean up."""
    before = lab.current()

    def stop() -> None:
        lab.ssh("systemctl stop 'strixkit-job-*'")

    lab.profile = "general"
    try:
        outcome = lab.deploy(hold_at=_point(lab, phase), on_held=stop)
    finally:
        lab.profile = "coding"
    assert not outcome.ok
    assert "ended from outside" in outcome.error
    assert lab.ssh("find /run/systemd -name 'llama-server-*'") == ""
    assert lab.running() == lab.current() == before
    assert lab.deploy().changes == []


def test_the_old_one_answers_all_through_a_changed_deploy(lab: Lab) -> None:
    """Each phase up to the trial is held while the old release is asked."""
    for phase in ("preflight", "rehearsal", "trial"):
        before = lab.current()
        asked = []

        def ask(asked: list[str] = asked) -> None:
            asked.append(lab.running())
            assert lab.chat()["timings"]["predicted_n"] > 0
            lab.ssh("touch /run/strixkit/go-on")

        lab.profile = "general" if lab.current_profile() == "coding" else "coding"
        assert lab.deploy(hold_at=_point(lab, phase), on_held=ask).ok
        assert asked == [before]


def test_listens_on_one_address(lab: Lab) -> None:
    """The gate asks there, and the rehearsal on loopback."""
    lab.listen, lab.profile = lab.box.address, "coding"
    assert lab.deploy().ok
    lab.profile = "general"
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert any(event.text == "rehearsal" for event in lab.events)
    answer = verbs.ask(lab.host(), verbs.Access(), service="main", text="Say the alphabet.")
    assert answer["timings"]["predicted_n"] > 0
    lab.listen = "127.0.0.1"
    assert lab.deploy().ok
    assert lab.ssh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/props") == "200"  # no key on loopback
    lab.listen, lab.profile = None, "coding"
    assert lab.deploy().ok


def test_a_drop_in_that_replaces_the_command_stops_nothing(lab: Lab) -> None:
    """No release could run as rendered; the deploy says so before it stops what runs."""
    pid = lab.ssh(f"systemctl show -p MainPID --value {UNIT}")
    lab.ssh(
        f"mkdir -p /etc/systemd/system/{UNIT}.d && printf '[Service]\\nExecStart=\\nExecStart=/bin/sleep 9\\n' "
        f"> /etc/systemd/system/{UNIT}.d/x.conf && systemctl daemon-reload"
    )
    lab.profile = "general"
    try:
        outcome = lab.deploy()
    finally:
        lab.profile = "coding"
        lab.ssh(f"rm -r /etc/systemd/system/{UNIT}.d && systemctl daemon-reload")
    assert not outcome.ok
    assert f"{UNIT}.d/x.conf replaces ExecStart" in outcome.error
    assert lab.ssh(f"systemctl show -p MainPID --value {UNIT}") == pid
    assert lab.deploy().changes == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"port": 80}, "port 80 is for root only"),
        ({"listen": "10.9.9.9"}, "listen on 10.9.9.9, which is none of this box's"),
    ],
)
def test_where_the_service_cannot_listen_stops_nothing(lab: Lab, place: dict[str, Any], words: str) -> None:
    pid = lab.ssh(f"systemctl show -p MainPID --value {UNIT}")
    outcome = dataclasses.replace(lab, events=[], **place).deploy()
    assert not outcome.ok
    assert words in outcome.error
    assert lab.ssh(f"systemctl show -p MainPID --value {UNIT}") == pid
    assert lab.deploy().changes == []


def test_a_deploy_while_the_server_loads_waits_for_it(lab: Lab) -> None:
    lab.ssh(
        f"mkdir -p /run/systemd/system/{UNIT}.d && printf '[Service]\\nExecStartPost=/bin/sleep 15\\n' "
        f"> /run/systemd/system/{UNIT}.d/slow.conf && systemctl daemon-reload && "
        f"systemctl restart --no-block {UNIT} && "
        f"until systemctl show -p SubState --value {UNIT} | grep -q start-post; do sleep 0.1; done && "
        f"rm -r /run/systemd/system/{UNIT}.d && systemctl daemon-reload"
    )
    pid = lab.ssh(f"systemctl show -p MainPID --value {UNIT}")
    outcome = lab.deploy()
    assert [(change.field, change.found) for change in outcome.changes] == [("active", "loading its model")]
    assert outcome.ok, outcome.error
    assert lab.ssh(f"systemctl show -p MainPID --value {UNIT}") == pid
    assert lab.deploy().changes == []


def test_rollback_goes_back_one_step_each_time(lab: Lab) -> None:
    names = []
    for port in (8081, 8082, 8083):
        lab.port = port
        assert lab.deploy().ok
        names.append(lab.current())
    for wanted in (names[1], names[0]):
        outcome = verbs.rollback(lab.host(), verbs.Access(), ignore, service="main")
        assert outcome.ok, outcome.error
        assert lab.running() == lab.current() == wanted
    lab.ssh("mv /var/lib/strixkit/models /var/lib/strixkit/away")
    try:
        gone = verbs.rollback(lab.host(), verbs.Access(), ignore, service="main")
    finally:
        lab.ssh("mv /var/lib/strixkit/away /var/lib/strixkit/models")
    assert not gone.ok
    assert "is not on the box" in gone.error
    assert lab.running() == lab.current() == names[0]
    lab.port = None
    assert lab.deploy().ok


def test_rollback_of_an_unknown_service_and_of_the_first_release(lab: Lab) -> None:
    with pytest.raises(InputError, match="did you mean 'main'"):
        verbs.rollback(lab.host(), verbs.Access(), ignore, service="mian")


def test_disk_full_during_an_upload(lab: Lab, tmp_path: Path) -> None:
    """Told before the first byte when it is seen; told as such when it happens on the way. The service serves on."""
    before = lab.current()
    big = tmp_path / "big.gguf"
    big.write_bytes(lab.model.read_bytes() + b"\0" * (40 << 20))
    model, lab.model = lab.model, big
    folder = "/var/lib/strixkit/models"
    lab.ssh(f"cp -a {folder} /root/kept && mount -t tmpfs -o size=40m,mode=755 tmpfs {folder}")
    lab.ssh(f"cp -a /root/kept/. {folder}")
    try:
        with pytest.raises(StrixError, match="are to be sent"):
            lab.deploy()
        lab.ssh(f"mount -o remount,size=150m {folder}")

        def fill(event) -> None:
            if event.text.startswith("sending") and not lab.ssh(f"ls {folder}/filler", check=False):
                lab.ssh(f"dd if=/dev/zero of={folder}/filler bs=1k 2>/dev/null; rm -f {folder}/nothing")

        with pytest.raises(StrixError, match="No space left on device"):
            lab.deploy(on_event=fill)
        # What has arrived is the beginning of the file, and the next run goes on from there.
        size = int(lab.ssh(f"stat -c %s {folder}/.strixkit-*.partial"))
        assert 0 < size < big.stat().st_size
        found = lab.ssh(f"sha256sum {folder}/.strixkit-*.partial").split()[0]
        assert found == hashlib.sha256(big.read_bytes()[:size]).hexdigest()
        lab.ssh(f"rm {folder}/filler")
        assert lab.deploy().ok
        assert not any(event.text.startswith("sending") and event.text.endswith(" 10 %") for event in lab.events)
        lab.model = model
        assert lab.deploy().ok
    finally:
        lab.model = model
        lab.ssh(f"umount -l {folder}; rm -rf /root/kept", check=False)
    assert lab.running() == lab.current() == before


def test_an_upload_holds_the_lock(lab: Lab, tmp_path: Path) -> None:
    big = tmp_path / "big.gguf"
    big.write_bytes(lab.model.read_bytes() + b"\0" * (40 << 20))
    other = Lab(lab.box, lab.client, lab.model, profile="general")
    model, lab.model = lab.model, big
    seen = []

    def meanwhile(event) -> None:
        if event.text.startswith("sending") and not seen:
            with pytest.raises(LockedError, match=r"locked by .* for test") as caught:
                other.deploy()
            seen.append(caught.value)
            raise Abandoned

    try:
        with pytest.raises(Abandoned):
            lab.deploy(on_event=meanwhile)
    finally:
        lab.model = model
    assert seen
    assert lab.deploy().ok
