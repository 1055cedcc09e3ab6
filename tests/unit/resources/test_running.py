"""Running what is rendered: the live process, systemd's view of the files, and no restart for what needs none."""

from __future__ import annotations

from typing import Any

import pytest

from strixkit.resources.base import Risk
from strixkit.resources.release import Release
from strixkit.resources.unit import Unit

NAME = "0123456789ab"
ARGV = ["/usr/bin/llama-server", "-c", "4096", "--api-key-file", "%d/api-key"]
RUNS = [*ARGV[:-1], "/run/credentials/llama-server-main.service/api-key"]
MANIFEST = {"argv": ARGV, "key_file": "/etc/strixkit/credentials/main.key"}
RELEASE = Release(service="main", release=NAME, unit="u\n", candidate="c", manifest=MANIFEST, beside=False)
TIMER = Unit(name="a.timer", content="[Timer]\nOnBootSec=1\n")


def _state(*, process: dict[str, Any] | None = None, unit: dict[str, Any] | None = None, **other: Any) -> Any:
    runs = {"pid": 7, "digest": NAME, "exe": "/usr/lib/llama-server", "argv": RUNS, **(process or {})}
    base = {"active": "active", "enabled": "enabled", "reload_needed": False, "drop_ins": [], "process": runs}
    return {
        "current": NAME,
        "gated": [NAME],
        "installed": "u",
        "manifest": {},
        "binary": "/usr/lib/llama-server",
        "loaded": True,
        "unit": {**base, **(unit or {})},
        **other,
    }


def test_the_question_names_binary_and_key_but_never_its_content() -> None:
    question = RELEASE.question()
    assert (question["binary"], question["key"]) == (ARGV[0], MANIFEST["key_file"])


def test_a_process_with_the_rendered_arguments_is_satisfied() -> None:
    assert RELEASE.diff(_state()) == ()
    assert RELEASE.diff(_state(unit={"drop_ins": ["/etc/systemd/system/x.conf"]})) == (), "a limit by the admin"


def test_another_comment_in_the_unit_restarts_nothing() -> None:
    assert RELEASE.diff(_state(installed="# memory: 1 MiB\n\nu")) == ()
    [change] = RELEASE.diff(_state(installed="u\nv"))
    assert change.field == "unit"


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (_state(process={"argv": [*RUNS[:2], "9", *RUNS[3:]]}), "runs other arguments: -c 9"),
        (_state(process={"argv": [*RUNS, "--verbose"]}), "--verbose"),
        (_state(process={"argv": RUNS[:3]}), "nothing after 4096"),
        (_state(process={"exe": "/tmp/llama-server"}), "runs /tmp/llama-server"),
        (_state(loaded=False), "was started with another API key"),
    ],
)
def test_a_process_that_runs_something_else_is_a_restart(state: Any, found: str) -> None:
    [change] = RELEASE.diff(state)
    assert (change.field, change.risk) == ("process", Risk.RESTART)
    assert found in change.found
    assert [step.step for step in RELEASE.steps(state)] == ["release", "activate"]


def test_a_key_in_the_arguments_of_a_drop_in_is_not_shown_and_the_drop_in_is_named() -> None:
    drop_in = "/etc/systemd/system/llama-server-main.service.d/x.conf"
    argv = [*RUNS[:3], "--api-key", "sk-secret"]
    [change] = RELEASE.diff(_state(process={"argv": argv}, unit={"drop_ins": [drop_in]}))
    assert "sk-secret" not in change.found + change.wanted
    assert drop_in in change.found


def test_a_service_that_does_not_run_has_loaded_no_key() -> None:
    stopped = _state(unit={"active": "inactive", "process": {}}, loaded=None)
    assert [change.field for change in RELEASE.diff(stopped)] == ["active"]


@pytest.mark.parametrize(
    ("unit", "fields", "steps"),
    [
        ({"enabled": "disabled"}, ["enabled"], [("unit", "enable")]),
        ({"reload_needed": True}, ["loaded"], [("reload", None)]),
        ({"reload_needed": True, "enabled": "disabled"}, ["loaded", "enabled"], [("reload", None), ("unit", "enable")]),
    ],
)
def test_a_release_is_not_activated_again_for_what_interrupts_nothing(unit: Any, fields: Any, steps: Any) -> None:
    state = _state(unit=unit)
    assert [change.field for change in RELEASE.diff(state)] == fields
    assert all(change.risk in (Risk.NONE, Risk.RELOAD) for change in RELEASE.diff(state))
    assert [(step.step, step.arguments.get("verb")) for step in RELEASE.steps(state)] == steps


def _timer(**changes: Any) -> Any:
    good = {"text": TIMER.text.rstrip("\n"), "enabled": "enabled", "active": "active", "process": {}}
    return {**good, "reload_needed": False, **changes}


@pytest.mark.parametrize(
    ("changes", "fields", "steps"),
    [
        ({}, [], []),
        ({"enabled": "disabled"}, ["enabled"], ["enable"]),
        ({"reload_needed": True}, ["loaded"], ["reload"]),
        ({"active": "inactive"}, ["active"], ["restart"]),
        ({"text": "old"}, ["content"], ["write", "reload", "enable", "restart"]),
        ({"text": "old", "reload_needed": True}, ["content"], ["write", "reload", "enable", "restart"]),
    ],
)
def test_a_timer_gets_the_steps_that_its_differences_need(changes: Any, fields: Any, steps: Any) -> None:
    """Where a run died between write and reload, text and activity are as wished: only systemd knows."""
    answer = _timer(**changes)
    assert [change.field for change in TIMER.diff(answer)] == fields
    assert [step.arguments.get("verb", step.step) for step in TIMER.steps(answer)] == steps


def test_a_unit_that_must_not_run_is_stopped_only_when_it_does() -> None:
    idle = Unit(name="a.timer", content=TIMER.content, running=False, enabled=False)
    answer = _timer(enabled="disabled", text="old", active="inactive")
    assert [step.arguments.get("verb", step.step) for step in idle.steps(answer)] == ["write", "reload", "disable"]
    assert [step.arguments.get("verb") for step in idle.steps(_timer(enabled="disabled"))] == ["stop"]
