"""What the steps of a stage make different is for the next stage; what stays different has failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from strixkit.engine.converge import MAX_STAGES, converge
from strixkit.engine.events import ignore
from strixkit.engine.values import Desired, Job, Outcome
from strixkit.resources.base import Answer, Change, Question, Resource, Step, Upload


class Number(Resource):
    """A number of the box that must be 0. `also`: numbers that its step makes 1."""

    kind: ClassVar[str] = "number"
    name: str
    also: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"number:{self.name}"

    def question(self) -> Question:
        return {"name": self.name}

    def absent(self) -> Answer:
        return {"value": 0}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        return (self.change("value", str(answer["value"]), "0"),) if answer["value"] else ()

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        return (Step(step="clear", arguments={"name": self.name, "also": list(self.also)}),)


@dataclass
class Box:
    """Plays session and box."""

    numbers: dict[str, int]
    host: str = "strix01"
    round_trips: int = 0
    applied: list[list[str]] = field(default_factory=list)

    def request(self, do: str, on_event: Any = None, **fields: Any) -> Any:
        self.round_trips += 1
        if do == "facts":
            return {}
        if do == "observe":
            return [{"value": self.numbers[question["name"]]} for question in fields["questions"]]
        self.applied.append([step["name"] for step in fields["steps"]])
        for step in fields["steps"]:
            self.numbers[step["name"]] = 0
            self.numbers.update(dict.fromkeys(step["also"], 1))
        return {"ok": True}

    def upload(self, path: Path, upload: Upload, on_bytes: Any) -> None:
        raise AssertionError

    def close(self) -> None:
        return

    def reopen(self) -> None:
        raise AssertionError


@dataclass
class Wishes:
    wanted: tuple[Number, ...]

    def facts_request(self) -> dict[str, Any]:
        return {}

    def desired(self, answer: dict[str, Any]) -> Desired:
        return Desired(self.wanted)


def run(box: Box, *wanted: Number) -> Outcome:
    return converge(box, Wishes(wanted), Job("me", "deploy"), ignore)


def test_what_a_step_makes_different_is_done_in_the_same_run() -> None:
    """A release goes into service, the oldest one is forgotten, and with it the last that used a build."""
    box = Box({"old builds": 0, "release": 1})
    outcome = run(box, Number(name="old builds"), Number(name="release", also=("old builds",)))
    assert (outcome.ok, outcome.remaining) == (True, [])
    assert box.applied == [["release"], ["old builds"]]
    assert [change.resource for change in outcome.changes] == ["number:release", "number:old builds"]


def test_two_that_undo_each_other_fail_and_end() -> None:
    box = Box({"a": 1, "b": 0})
    outcome = run(box, Number(name="a", also=("b",)), Number(name="b", also=("a",)))
    assert not outcome.ok
    assert len(box.applied) < MAX_STAGES


def test_what_a_step_does_not_change_has_failed() -> None:
    box = Box({"a": 1})
    outcome = run(box, Number(name="a", also=("a",)))
    assert not outcome.ok
    assert box.applied == [["a"]]
