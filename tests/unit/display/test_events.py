"""Events as they go on: a live table on a terminal, plain lines in a pipe, nothing for --json."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from strixkit.display.events import _Live, renderer
from strixkit.engine.events import Event
from strixkit.resources.base import Change, Risk

EVIL = "\x1b[2J\x9b\u202e"
CHANGE = Change(resource="file:/x", field="mode", found="0600", wanted="0644")
RESTART = Change(resource="release:main", field="release", found="none", wanted="0123456789ab", risk=Risk.RESTART)
EVENTS = [
    Event("box01", "note", "a run of x still goes on there"),
    Event("box01", "change", resource=CHANGE.resource, change=CHANGE),
    Event("box02", "change", resource=RESTART.resource, change=RESTART),
    Event("box01", "step", "write", "file:/x"),
    Event("box02", "progress", "sending tiny.gguf: 10 %"),
    Event("box01", "reached", "0:write"),
    Event("box01", "fixed", resource="file:/x"),
    Event("box02", "failed", resource=f"release:{EVIL}[bold]main[/bold]"),
    Event("box02", "note", f"lost {EVIL}"),
]
LINES = [
    "box01  note: a run of x still goes on there",
    "box01  ~ file:/x  mode: 0600 -> 0644",
    "box02  ~ release:main  release: none -> 0123456789ab  [restart]",
    "box01  FIXED  file:/x",
    "box02  FAILED release:�[2J��[bold]main[/bold]",
    "box02  note: lost �[2J��",
]


def test_plain_lines_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with renderer(quiet=False) as emit:
        for event in EVENTS:
            emit(event)
    found = capsys.readouterr().out.splitlines()
    assert [line for line in found if "sending" not in line] == LINES
    assert "box02    ... sending tiny.gguf: 10 %" in found


def test_nothing_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    with renderer(quiet=True) as emit:
        for event in EVENTS:
            emit(event)
    assert capsys.readouterr().out == ""


def test_a_table_that_follows_with_the_lines_above_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, record=True, color_system=None)
    with _Live(console) as live:
        for event in EVENTS:
            live.emit(event)
        table = live._table()
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert [line for line in lines if line in LINES] == LINES
    assert not any("sending" in line and line.startswith("box02    ...") for line in lines), (
        "progress stays in the table"
    )
    console.print(table)
    assert [line.split() for line in console.export_text().splitlines()] == [
        ["box01", "file:/x"],
        ["box02", "lost", "�[2J��"],
    ]


def test_a_table_is_cleaned_while_it_lives() -> None:
    screen = io.StringIO()
    with _Live(Console(file=screen, force_terminal=True, width=100)) as live:
        live.emit(Event("box", "step", f"a{EVIL}b", f"c{EVIL}d"))
        live._live.refresh()  # type: ignore[union-attr]
    assert "\x9b" not in screen.getvalue()
    assert "\u202e" not in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()
    assert "c�[2J��d" in screen.getvalue()


def test_no_event_no_table() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, record=True)
    with _Live(console):
        pass
    assert console.export_text() == ""
