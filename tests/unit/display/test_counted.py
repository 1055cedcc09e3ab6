"""Ninja's [n/m] as a bar, and as few lines in a log."""

from __future__ import annotations

import pytest

from strixkit.display import counted, events
from strixkit.engine.events import Event


@pytest.mark.parametrize(
    ("text", "done"),
    [("[3/12] Building CXX object", 0.25), ("[9/3] x", 1.0), ("[0/0] x", None), ("configure", None), ("[1/2]", None)],
)
def test_what_counts(text: str, done: float | None) -> None:
    assert counted.share(text) == done


def test_a_bar() -> None:
    assert counted.bar(0.25) == "[#####...............]  25%"
    assert counted.bar(1.0) == "[####################] 100%"


def test_a_log_gets_every_tenth_of_each_count(capsys: pytest.CaptureFixture[str]) -> None:
    with events.renderer(quiet=False) as emit:
        for host in ("box01", "box02"):
            emit(Event(host, "progress", "compile", "build:x"))
            for step in range(1, 101):
                emit(Event(host, "progress", f"[{step}/100] Building", "build:x"))
            emit(Event(host, "progress", "collect", "build:x"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("box02")]
    assert len(lines) == 1 + 11 + 1
    assert lines[-2].endswith("[100/100] Building")
