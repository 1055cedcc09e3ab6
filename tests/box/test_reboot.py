"""Real reboots of boxes: each boot of one has a boot_id of its own.

What is live only after a reboot is a file here that systemd-tmpfiles writes at boot: a container has no kernel
arguments of its own (tests/vm has).
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from strixkit import sandbox
from strixkit.engine.converge import converge
from strixkit.engine.events import Event
from strixkit.engine.values import Desired, Job, Outcome
from strixkit.errors import StrixError
from strixkit.fleet import verbs
from strixkit.fleet.run import each
from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Step
from strixkit.resources.file import File
from strixkit.resources.unit import Unit
from strixkit.secret import Secret
from tests import own_ssh
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box

AT_BOOT = "/etc/tmpfiles.d/at-boot.conf"
SERVICE = "llama-server-drained.service"
UNIT = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


class Live(Resource):
    """The text of a file that only a boot writes."""

    kind: ClassVar[str] = "live"
    text: str

    @property
    def id(self) -> str:
        return "live:argument"

    def question(self) -> Question:
        return {"ask": "path", "path": "/run/live", "hash": True}

    def absent(self) -> Answer:
        return {"type": "absent"}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        found = answer.get("text", "nothing")
        return () if found == self.text else (self.change("argument", found, self.text, Risk.REBOOT),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        raise AssertionError("no step makes it so")


class Wishes:
    """A value that is configured for the next boot, and live after it, beside a service."""

    def __init__(self, value: str, *, live: str = "") -> None:
        self.value, self.live = value, live or value
        self.stages = 0

    def facts_request(self) -> dict[str, Any]:
        return {}

    def desired(self, answer: dict[str, Any]) -> Desired:
        self.stages += 1
        configured = File(path=AT_BOOT, content=f"f /run/live - - - - {self.value}\n")
        return Desired((configured, Live(text=self.live), Unit(name=SERVICE, content=UNIT)))


@pytest.fixture(scope="module")
def pair(boxes, client: Path, tiny_model: Path) -> tuple[Lab, Lab]:
    near, far = boxes(2)
    return Lab(near, client, tiny_model), Lab(far, client, tiny_model)


@pytest.fixture
def lab(pair: tuple[Lab, Lab]) -> Lab:
    return pair[0]


def deploy(
    lab: Lab,
    wishes: Wishes,
    *,
    reboot: bool = True,
    minutes: float = 1,
    on_event: Callable[[Event], None] | None = None,
    hold_at: str = "",
) -> Outcome:
    lab.events.clear()

    def emit(event: Event) -> None:
        lab.events.append(event)
        if on_event is not None:
            on_event(event)

    session = verbs.open_host(lab.host(), verbs.Access(lab.password))
    try:
        return converge(session, wishes, Job("tests", "test", hold_at, reboot, minutes), emit)
    except StrixError as error:
        return Outcome(lab.box.name, error=error.text)
    finally:
        session.close()


def said(lab: Lab, kind: str) -> list[str]:
    return [event.text for event in lab.events if event.kind == kind]


def journal(lab: Lab, event: str) -> list[dict[str, Any]]:
    return [entry for entry in verbs.journal(lab.host(), verbs.Access(), limit=200) if entry["event"] == event]


def wait_for_boot_after(lab: Lab, boot_id: str) -> None:
    end = time.monotonic() + 60
    while lab.ssh(BOOT_ID, check=False) in ("", boot_id) and time.monotonic() < end:
        time.sleep(0.2)
    lab.ssh("systemctl is-system-running --wait", check=False)


def test_without_leave_it_waits_and_is_no_failure(lab: Lab) -> None:
    boot_id = lab.ssh(BOOT_ID)
    outcome = deploy(lab, Wishes("one"), reboot=False)
    assert outcome.ok
    assert [change.field for change in outcome.pending] == ["argument"]
    assert outcome.remaining == []
    assert said(lab, "pending") == ["argument: for a reboot"]
    again = deploy(lab, Wishes("one"), reboot=False)
    assert again.ok
    assert again.changes == []
    assert not again.applied
    assert len(again.pending) == 1
    assert lab.ssh(BOOT_ID) == boot_id


def test_a_reboot_makes_it_live_once(lab: Lab) -> None:
    boot_id = lab.ssh(BOOT_ID)
    outcome = deploy(lab, Wishes("one"))
    assert outcome.ok, outcome.error
    assert outcome.pending == []
    assert [change.field for change in outcome.changes] == ["argument"]
    assert lab.ssh(BOOT_ID) != boot_id
    assert lab.ssh("cat /run/live") == "one"
    assert lab.ssh(f"systemctl is-active {SERVICE}") == "active\n"
    [entry] = journal(lab, "reboot")
    assert entry["boot_id"] == boot_id.strip()
    assert (entry["who"], entry["why"], entry["services"]) == ("tests", "argument", [SERVICE])
    assert journal(lab, "end")[-1]["ok"]


def test_allowed_and_not_needed(lab: Lab) -> None:
    boot_id = lab.ssh(BOOT_ID)
    outcome = deploy(lab, Wishes("one"))
    assert outcome.ok
    assert outcome.changes == outcome.pending == []
    assert lab.ssh(BOOT_ID) == boot_id


def test_configured_and_rebooted_in_one_run(lab: Lab) -> None:
    wishes = Wishes("two")
    outcome = deploy(lab, wishes)
    assert outcome.ok, outcome.error
    assert wishes.stages == 2
    assert [change.field for change in outcome.changes] == ["content", "argument"]
    assert lab.ssh("cat /run/live") == "two"


def test_with_a_sudo_password(lab: Lab) -> None:
    operator = dataclasses.replace(lab, user="operator", password=Secret("operator"), events=[])
    outcome = deploy(operator, Wishes("three"))
    assert outcome.ok, outcome.error
    assert lab.ssh("cat /run/live") == "three"


def test_another_entry_was_booted(lab: Lab) -> None:
    before = len(journal(lab, "reboot"))
    outcome = deploy(lab, Wishes("four", live="4"))
    assert not outcome.ok
    assert outcome.lost == "came back without argument"
    assert "argument: found four, wanted 4" in outcome.error
    assert "cat /proc/cmdline" in outcome.error
    assert len(journal(lab, "reboot")) == before + 1, "and it is not rebooted once more"


@pytest.mark.parametrize("how", ["inhibited", "masked"])
def test_a_box_that_may_not_reboot_serves_on(lab: Lab, how: str) -> None:
    boot_id = lab.ssh(BOOT_ID)
    begin, end, words = {
        "inhibited": (
            "systemd-run -q --unit backup systemd-inhibit --what=shutdown --who=backup --why=nightly sleep 600; "
            "for i in $(seq 50); do systemd-inhibit --list | grep -q nightly && break; sleep 0.1; done",
            "systemctl stop backup",
            r"backup \(nightly\)",
        ),
        "masked": (
            "systemctl mask --runtime reboot.target",
            "systemctl unmask --runtime reboot.target",
            rf"systemctl reboot: .*; {SERVICE} runs again",
        ),
    }[how]
    lab.ssh(begin)
    try:
        outcome = deploy(lab, Wishes("four", live="5"))
    finally:
        lab.ssh(end)
    assert re.match(f"it was not rebooted: .*{words}", outcome.error)
    assert outcome.lost == ""
    assert lab.ssh(BOOT_ID) == boot_id
    assert lab.ssh(f"systemctl is-active {SERVICE}") == "active\n"


def test_a_job_that_is_killed_before_the_reboot_starts_the_services_again(lab: Lab) -> None:
    boot_id = lab.ssh(BOOT_ID)

    def kill(event: Event) -> None:
        if event.kind == "held":
            assert lab.ssh(f"systemctl is-active {SERVICE}", check=False) == "inactive\n"
            lab.ssh("kill -KILL $(systemctl show -p MainPID --value 'strixkit-job-*')")

    outcome = deploy(lab, Wishes("four", live="5"), hold_at="0:reboot:host:reboot", on_event=kill)
    assert "it was not rebooted: the job was ended from outside" in outcome.error
    lab.ssh(f"for i in $(seq 100); do systemctl is-active -q {SERVICE} && break; sleep 0.1; done")
    assert lab.ssh(f"systemctl is-active {SERVICE}") == "active\n"
    assert lab.ssh(BOOT_ID) == boot_id


def test_the_connection_is_lost_between_request_and_answer(lab: Lab) -> None:
    """The session's processes are killed while the job ends the services: the box reboots by itself."""

    def cut(event: Event) -> None:
        if event.kind == "held":
            lab.ssh("pkill -KILL -f '^python3 -I -S -c'; (sleep 3; touch /run/strixkit/go-on) >/dev/null 2>&1 &")

    outcome = deploy(lab, Wishes("five"), hold_at="0:reboot:host:stop services", on_event=cut)
    assert outcome.ok, outcome.error
    assert any("boot_id still the old one" in text for text in said(lab, "progress"))
    assert lab.ssh("cat /run/live") == "five"


def test_a_controller_that_goes_away_while_it_waits_loses_nothing(lab: Lab) -> None:
    def leave(event: Event) -> None:
        if event.text.startswith("it stopped answering") or "boot_id still" in event.text:
            raise Abandoned

    boot_id = lab.ssh(BOOT_ID)
    with pytest.raises(Abandoned):
        deploy(lab, Wishes("six"), on_event=leave)
    wait_for_boot_after(lab, boot_id)
    outcome = deploy(lab, Wishes("six"))
    assert outcome.ok, outcome.error
    assert outcome.pending == []
    assert lab.ssh("cat /run/live") == "six"


@pytest.mark.parametrize("gone", ["controller", "box"])
def test_interrupted_at_every_point(lab: Lab, gone: str) -> None:
    """The controller goes away, or the box loses power: the box is up again, serves, and the next deploy goes on."""
    wishes = [Wishes(f"{gone} {number}") for number in range(9)]
    assert deploy(lab, wishes[0]).ok
    points = [text for text in said(lab, "reached") if text.startswith("0:reboot:")]
    assert points == ["0:reboot:host", "0:reboot:host:stop services", "0:reboot:host:reboot"]

    def leave(event: Event) -> None:
        if event.kind == "held":
            if gone == "box":
                sandbox.power_cut(lab.box.name)
            raise Abandoned

    for number, point in enumerate(points, 1):
        assert deploy(lab, wishes[number], reboot=False).ok
        boot_id = lab.ssh(BOOT_ID)
        with pytest.raises(Abandoned):
            deploy(lab, wishes[number], hold_at=point, on_event=leave)
        if gone == "box":
            sandbox.start(lab.box.name)
        else:
            lab.ssh("touch /run/strixkit/go-on")
        wait_for_boot_after(lab, boot_id)
        assert lab.ssh(f"systemctl is-active {SERVICE}") == "active\n"
        outcome = deploy(lab, wishes[number])
        assert outcome.ok, (point, outcome.error)
        assert outcome.pending == []
        assert lab.ssh("cat /run/live") == wishes[number].value


def test_through_a_jump_host(pair: tuple[Lab, Lab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = pair
    config = (
        f"Host near\n  HostName {near.box.address}\nHost far\n  HostName {far.box.address}\n  ProxyJump near\n"
        f"Host *\n  User root\n  UserKnownHostsFile {near.client}/known_hosts\n"
        f"  IdentityFile {near.client}/id_ed25519\n"
    )
    monkeypatch.setenv("PATH", own_ssh.write(tmp_path, config)["PATH"])
    boot_id = far.ssh(BOOT_ID)
    beyond = dataclasses.replace(far, box=dataclasses.replace(far.box, address="far"), events=[])
    outcome = deploy(beyond, Wishes("one"))
    assert outcome.ok, outcome.error
    assert far.ssh(BOOT_ID) != boot_id
    lines = far.ssh("journalctl --sync; journalctl --no-pager -b -o cat -t sshd-session | grep Accepted").splitlines()
    assert lines[0].split()[5] == near.box.address


def test_a_box_that_never_comes_back_and_the_one_after_it(pair: tuple[Lab, Lab]) -> None:
    """The first one's sshd is not started at its next boot: nobody listens. The other is left alone."""
    near, far = pair
    labs = {lab.box.name: lab for lab in pair}
    near.ssh("systemctl mask ssh.service 2>/dev/null")
    boot_id = far.ssh(BOOT_ID)
    hosts = [near.host(), far.host()]
    first, second = each(hosts, lambda host: deploy(labs[host.name], Wishes("seven"), minutes=0.2), at_once=1)
    assert (first.exit_code, second.exit_code) == (1, 1)
    error = first.outcome.error
    assert first.outcome.lost == "did not come back"
    assert "it did not come back within 0.2 min of its reboot; the last answer was at" in error
    assert re.search(rf"last seen at \S+: cannot be reached at {near.box.address}:22: Connection refused", error)
    assert f"invoke deploy --host {near.box.name} --reboot goes on" in error
    assert any(text.startswith("it stopped answering after") for text in said(near, "progress"))
    assert second.outcome.error == f"left alone: {near.box.name} did not come back"
    assert far.ssh(BOOT_ID) == boot_id
    assert far.ssh("cat /run/live") == "one"

    sandbox.power_cut(near.box.name)
    (near.box.root / "etc/systemd/system/ssh.service").unlink()
    sandbox.start(near.box.name)
    first, second = each(hosts, lambda host: deploy(labs[host.name], Wishes("seven")), at_once=1)
    assert first.outcome.ok
    assert second.outcome.ok
    assert far.ssh(BOOT_ID) != boot_id


def test_a_box_that_comes_back_as_another(lab: Lab) -> None:
    """Another host key after the boot is told at once and not waited out."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    lab.ssh(f"mv {key} {key}.kept; mv {key}.pub {key}.pub.kept; ssh-keygen -q -t ed25519 -N '' -f {key}")
    outcome = deploy(lab, Wishes("eight"), minutes=10)
    assert outcome.lost == "did not come back"
    assert "CHANGED" in outcome.error
    sandbox.power_cut(lab.box.name)
    for name in (key, f"{key}.pub"):
        (lab.box.root / f"{name[1:]}.kept").rename(lab.box.root / name[1:])
    sandbox.start(lab.box.name)
    assert deploy(lab, Wishes("eight")).ok
