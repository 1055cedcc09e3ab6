"""Stages, reboots and what is pending, with a scripted box and a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from strixkit.engine import reboot
from strixkit.engine.converge import converge
from strixkit.engine.events import Event
from strixkit.engine.values import Desired, Job, Outcome
from strixkit.errors import ConnectError, DeniedError, LockedError, RemoteError, StrixError
from strixkit.resources.base import LIVE, Answer, Change, Question, Resource, Risk, Step, Upload


class Argument(Resource):
    """Configured by a step, live after a reboot."""

    kind: ClassVar[str] = "argument"
    wanted: str
    field: str = "ttm.pages_limit"

    @property
    def id(self) -> str:
        return f"argument:{self.field}"

    def question(self) -> Question:
        return {"of": self.field}

    def absent(self) -> Answer:
        return {"configured": "", "live": ""}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        changes: tuple[Change, ...] = ()
        if answer["configured"] != self.wanted:
            changes += (self.change(self.field, answer["configured"], self.wanted),)
        if answer["live"] != self.wanted:
            changes += (self.change(self.field + LIVE, answer["live"], self.wanted, Risk.REBOOT),)
        return changes

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        assert answer["configured"] != self.wanted, "a reboot alone makes the rest"
        return (Step(step="configure", arguments={"value": self.wanted}),)


@dataclass
class Machine:
    """Plays session and box. `on_reboot` is what the job does; `downs` are errors of the reopens that follow it."""

    configured: str = ""
    live: str = ""
    boots: int = 1
    downs: list[StrixError] = field(default_factory=list)
    on_reboot: Callable[[Machine], dict[str, Any]] | None = None
    booted_with: str | None = None
    asked: list[str] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    is_open: bool = True
    busy: bool = False
    host: str = "strix01"
    round_trips: int = 0

    def request(self, do: str, on_event: Any = None, **fields: Any) -> Any:
        assert self.is_open
        self.round_trips += 1
        self.asked.append(do)
        return getattr(self, f"_{do}")(**fields)

    def upload(self, path: Path, upload: Upload, on_bytes: Any) -> None:
        raise AssertionError

    def close(self) -> None:
        self.is_open = False

    def reopen(self) -> None:
        self.asked.append("reopen")
        if self.downs:
            raise self.downs.pop(0)
        self.is_open = True

    def boot_again(self) -> None:
        self.boots += 1
        self.live = self.configured if self.booted_with is None else self.booted_with

    def _facts(self, **fields: Any) -> Any:
        return {"facts": {}}

    def _observe(self, questions: list[Question]) -> Any:
        return [{"configured": self.configured, "live": self.live} for _ in questions]

    def _boot(self, settle: bool = False) -> Any:
        return {"boot_id": f"boot-{self.boots}", "busy": self.busy}

    def _journal(self, limit: int) -> Any:
        return self.entries

    def _apply(self, steps: list[dict[str, Any]], **fields: Any) -> Any:
        assert steps, "a job for nothing"
        if steps[0]["step"] == "reboot":
            self.asked[-1] = "reboot"
            self.entries = [{"event": "begin", "job": fields["job"]}]
            if self.on_reboot is not None:
                return self.on_reboot(self)
            self.boot_again()
            return {"ok": True}
        self.configured = str(steps[0]["value"])
        return {"ok": True}


@dataclass
class Clock:
    """Time that passes when somebody sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def strftime(self, form: str) -> str:
        return f"second {self.now:.0f}"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reboot, "time", clock)
    return clock


@dataclass
class Wishes:
    wanted: str = "108"
    waits: bool = False  # as services do for the reboot

    def facts_request(self) -> dict[str, Any]:
        return {}

    def desired(self, answer: dict[str, Any]) -> Desired:
        return Desired((Argument(wanted=self.wanted),), not self.waits, ("waits",) if self.waits else ())


@dataclass
class Run:
    outcome: Outcome
    events: list[Event]

    def said(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind == kind]


def run(machine: Machine, *, allowed: bool = True, minutes: float = 10, wishes: Wishes | None = None) -> Run:
    events: list[Event] = []
    job = Job("me", "deploy", reboot=allowed, reboot_minutes=minutes)
    return Run(converge(machine, wishes or Wishes(), job, events.append), events)


def fields(changes: list[Change]) -> list[str]:
    return [change.field for change in changes]


def refused(what: str = "cannot be reached at strix01:22: Connection refused") -> ConnectError:
    return ConnectError(what, host="strix01")


def test_without_leave_what_a_reboot_makes_is_pending_and_no_failure() -> None:
    machine = Machine()
    found = run(machine, allowed=False)
    assert found.outcome.ok
    assert fields(found.outcome.changes) == ["ttm.pages_limit"]
    assert fields(found.outcome.pending) == ["ttm.pages_limit (live)"]
    assert found.outcome.remaining == []
    assert [event.kind for event in found.events] == ["change", "change", "fixed", "pending"]
    assert found.said("pending") == ["ttm.pages_limit: for a reboot"]
    assert machine.boots == 1


def test_only_pending_starts_no_job() -> None:
    machine = Machine(configured="108")
    found = run(machine, allowed=False)
    assert machine.asked == ["facts", "observe"]
    assert found.outcome.ok
    assert not found.outcome.applied
    assert found.outcome.changes == []
    assert fields(found.outcome.pending) == ["ttm.pages_limit (live)"]
    assert found.events == []


def test_allowed_and_nothing_to_reboot_for() -> None:
    machine = Machine("108", "108")
    assert run(machine).outcome.changes == []
    assert machine.asked == ["facts", "observe"]


@pytest.mark.parametrize("configured", ["", "108"])
def test_a_reboot_makes_it_live(configured: str) -> None:
    machine = Machine(configured, downs=[refused(), refused()])
    found = run(machine)
    assert found.outcome.ok
    assert fields(found.outcome.changes) == ["ttm.pages_limit"] * (not configured) + ["ttm.pages_limit (live)"]
    assert found.outcome.pending == []
    assert machine.asked.count("reboot") == 1
    assert machine.boots == 2
    assert found.said("reboot") == ["for ttm.pages_limit; its services end first", "it is back after 6 s"]
    assert [event.text for event in found.events if event.kind == "fixed"][-1] == "after the reboot"


def test_what_waited_for_the_reboot_is_planned_after_it() -> None:
    machine = Machine()

    class Services(Wishes):
        def desired(self, answer: dict[str, Any]) -> Desired:
            self.waits = machine.live != "108"
            return super().desired(answer)

    assert run(machine, wishes=Services()).outcome.ok
    assert machine.boots == 2


def test_a_failed_stage_is_not_rebooted() -> None:
    machine = Machine()
    machine._apply = lambda **fields: {"ok": False, "error": "update-grub failed"}  # type: ignore[method-assign]
    found = run(machine)
    assert found.outcome.error == "update-grub failed"
    assert machine.boots == 1


def test_another_value_is_live_after_the_reboot() -> None:
    machine = Machine(booted_with="54")
    found = run(machine)
    assert not found.outcome.ok
    assert found.outcome.lost == "came back without ttm.pages_limit"
    assert "ttm.pages_limit: found 54, wanted 108" in found.outcome.error
    assert "cat /proc/cmdline" in found.outcome.error
    assert "invoke plan --host strix01" in found.outcome.error
    assert machine.boots == 2, "never twice in one run"


def test_what_becomes_pending_after_the_reboot_waits_for_the_next() -> None:
    machine = Machine()

    class More(Wishes):
        def desired(self, answer: dict[str, Any]) -> Desired:
            wishes: tuple[Resource, ...] = (Argument(wanted="108"),)
            if machine.boots > 1:
                wishes += (Argument(wanted="off", field="amd_iommu"),)
            return Desired(wishes)

    machine._observe = lambda questions: [  # type: ignore[method-assign]
        {"configured": machine.configured, "live": machine.live}
        if question["of"] != "amd_iommu"
        else {"configured": "off", "live": ""}
        for question in questions
    ]
    found = run(machine, wishes=More())
    assert found.outcome.ok
    assert fields(found.outcome.pending) == ["amd_iommu (live)"]
    assert machine.boots == 2


def test_it_says_what_is_seen_when_it_changes_and_once_a_minute() -> None:
    machine = Machine("108", downs=[refused("no route")] * 3 + [refused()] * 41)
    said = run(machine).said("progress")
    assert said == [
        "it stopped answering after 0 s (0 s after the order to reboot)",
        "no route (0 s after the order to reboot)",
        "cannot be reached at strix01:22: Connection refused (9 s after the order to reboot)",
        "cannot be reached at strix01:22: Connection refused (69 s after the order to reboot)",
        "cannot be reached at strix01:22: Connection refused (2 min after the order to reboot)",
    ]


def test_a_box_that_never_comes_back() -> None:
    def go_down(machine: Machine) -> dict[str, Any]:
        machine.downs = [refused() for _ in range(1000)]
        return {"ok": True}

    machine = Machine("108", on_reboot=go_down)
    outcome = run(machine, minutes=2).outcome
    assert outcome.lost == "did not come back"
    assert outcome.error == (
        "it did not come back within 2 min of its reboot; last seen at second 1120: "
        "cannot be reached at strix01:22: Connection refused\n  next: look at its power and its console; "
        "when it is back: invoke deploy --host strix01 --reboot goes on (--reboot-timeout waits longer)"
    )
    assert not machine.is_open


def test_a_box_that_never_goes_down() -> None:
    machine = Machine("108", on_reboot=lambda machine: {"ok": True})
    outcome = run(machine, minutes=1).outcome
    assert outcome.lost == "did not come back"
    assert "it has not gone down within 1 min of the order to reboot; last seen at second 1060: it answers" in (
        outcome.error
    )
    assert "systemctl list-jobs" in outcome.error


@pytest.mark.parametrize("words", ["the host key of strix01 CHANGED", "sudo: wrong password"])
def test_what_no_waiting_mends_is_told_at_once(words: str, clock: Clock) -> None:
    machine = Machine("108", downs=[refused(), DeniedError(words, host="strix01", hint="do this")])
    found = run(machine)
    assert found.outcome.error == f"{words}\n  next: do this"
    assert found.outcome.lost == "did not come back"
    assert clock.now < 1010


def test_a_shell_that_says_that_the_box_is_booting_is_waited_out() -> None:
    machine = Machine("108", downs=[RemoteError("not an answer of the agent: 'System is booting up'")])
    assert run(machine).outcome.ok


def test_the_connection_is_lost_between_request_and_answer() -> None:
    def lost(machine: Machine) -> dict[str, Any]:
        machine.boot_again()
        raise refused("the connection was lost")

    assert run(Machine("108", on_reboot=lost)).outcome.ok


def test_the_connection_is_lost_and_the_job_fails() -> None:
    def lost(machine: Machine) -> dict[str, Any]:
        job = machine.entries[0]["job"]
        machine.entries.append({"event": "end", "job": job, "ok": False, "error": "a program forbids it"})
        raise refused("the connection was lost")

    outcome = run(Machine("108", on_reboot=lost)).outcome
    assert outcome.error.startswith("it was not rebooted: a program forbids it")
    assert outcome.lost == "", "the box is well"


def test_the_connection_is_lost_before_the_box_has_begun(clock: Clock) -> None:
    def lost(machine: Machine) -> dict[str, Any]:
        machine.entries.clear()
        raise refused("the connection was lost")

    outcome = run(Machine("108", on_reboot=lost)).outcome
    assert "the connection was lost before the box had begun" in outcome.error
    assert reboot.START_SECONDS < clock.now - 1000 < reboot.START_SECONDS + 10


@pytest.mark.parametrize("configured", ["", "108"])
def test_a_box_that_refuses(configured: str) -> None:
    machine = Machine(configured, on_reboot=lambda machine: {"ok": False, "error": "inhibited"})
    if configured:
        with pytest.raises(RemoteError, match="it was not rebooted: inhibited"):
            run(machine)
    else:
        outcome = run(machine).outcome
        assert outcome.error.startswith("it was not rebooted: inhibited")
        assert fields(outcome.changes) == ["ttm.pages_limit"]
        assert fields(outcome.pending) == ["ttm.pages_limit (live)"]
    assert machine.boots == 1


def test_somebody_else_is_at_work() -> None:
    machine = Machine("108", on_reboot=lambda machine: {"locked": {"owner": "other@there"}})
    with pytest.raises(LockedError, match="locked by other@there"):
        run(machine)


@pytest.mark.parametrize("answer", [None, [], {}, {"boot_id": 3}])
def test_an_answer_that_makes_no_sense_is_the_boxs_fault(answer: Any) -> None:
    machine = Machine("108")
    machine._boot = lambda settle=False: answer  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="makes no sense"):
        run(machine)


@pytest.mark.parametrize("entries", [None, {}, ["x", None]])
def test_a_journal_that_makes_no_sense_is_waited_out(entries: Any) -> None:
    def stay(machine: Machine) -> dict[str, Any]:
        machine.entries = entries
        return {"ok": True}

    machine = Machine("108", on_reboot=stay, busy=True)
    assert run(machine, minutes=1).outcome.lost == "did not come back"


def test_a_box_that_is_back_and_then_gone_again() -> None:
    machine = Machine("108")

    def facts(**fields: Any) -> Any:
        if machine.boots > 1:
            raise refused("the connection was lost")
        return {"facts": {}}

    machine._facts = facts  # type: ignore[method-assign]
    outcome = run(machine).outcome
    assert outcome.error == "the connection was lost"
    assert outcome.lost == "was not seen to be right after its reboot"


def test_a_box_without_a_boot_id_is_not_rebooted() -> None:
    machine = Machine("108")
    machine._boot = lambda settle=False: {"boot_id": "", "busy": False}  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="no boot_id"):
        run(machine)
    assert "reboot" not in machine.asked


def test_a_change_without_a_step_is_an_error_and_no_job() -> None:
    class Stuck(Argument):
        def steps(self, answer: Answer) -> tuple[Step, ...]:
            return ()

    class Wish(Wishes):
        def desired(self, answer: dict[str, Any]) -> Desired:
            return Desired((Stuck(wanted="108"),))

    machine = Machine()
    with pytest.raises(StrixError, match=r"no step makes it so: argument:ttm\.pages_limit"):
        run(machine, wishes=Wish())
    assert "apply" not in machine.asked
