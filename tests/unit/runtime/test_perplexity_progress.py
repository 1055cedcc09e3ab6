"""How far a run is, from captured output, however it comes in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.runtime.perplexity_progress import Meter, duration

DATA = Path(__file__).parents[2] / "data/perplexity"
DONE = {"base": 9, "kld-q4_0": 9, "kld-lost": 8, "killed": 3}


@pytest.mark.parametrize("name", DONE)
def test_it_only_grows(name: str) -> None:
    text = (DATA / f"{name}.txt").read_text()
    last = 0
    for end in range(0, len(text) + 1, 7):
        meter = Meter()
        meter.hear(text[:end])
        assert last <= meter.done <= meter.chunks
        last = meter.done
    meter.hear(text)
    assert (meter.done, meter.chunks) == (DONE[name], 9)


@pytest.mark.parametrize("name", DONE)
def test_lines_and_the_end_of_an_unfinished_one(name: str) -> None:
    """As agent/detached.py tells them."""
    meter = Meter()
    for line in (DATA / f"{name}.txt").read_text().splitlines():
        for end in range(0, len(line), 11):
            meter.hear(line[:end][-400:])
        meter.hear(line)
    assert (meter.done, meter.chunks) == (DONE[name], 9)


def test_words() -> None:
    meter = Meter()
    assert meter.text(10) == ""
    meter.hear("calculating perplexity over 9 chunks, n_ctx=512")
    assert meter.text(10) == "chunk 0/9"
    meter.hear("[1]1.5,[2]1.5,[3]1.5,[4]1.")
    assert meter.text(10) == "chunk 3/9, 20 s left"
    meter.hear("[9]1.5,")
    assert meter.text(10) == "chunk 9/9"
    assert [duration(s) for s in (0, 59, 61, 3599, 7500)] == ["1 s", "59 s", "1 min", "1 h 0 min", "2 h 5 min"]


@given(st.lists(st.text()))
def test_any_text(pieces: list[str]) -> None:
    meter = Meter()
    for piece in pieces:
        meter.hear(piece)
        assert meter.done <= meter.chunks
