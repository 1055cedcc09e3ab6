"""How far a run is, from captured output cut at any byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.runtime.perplexity_progress import Progress, duration, progress

DATA = Path(__file__).parents[2] / "data/perplexity"


@pytest.mark.parametrize("name", ["base", "kld-q4_0", "kld-lost", "killed"])
def test_it_only_grows(name: str) -> None:
    data = (DATA / f"{name}.txt").read_bytes()
    last = 0
    for end in range(len(data) + 1):
        found = progress(data[:end])
        if found is not None:
            assert found.chunks == 9
            assert last <= found.done <= 9
            last = found.done
    assert last == {"kld-lost": 8, "killed": 3}.get(name, 9)


def test_words() -> None:
    assert Progress(0, 9).text(10) == "chunk 0/9"
    assert Progress(3, 9).text(10) == "chunk 3/9, 20 s left"
    assert Progress(9, 9).text(10) == "chunk 9/9"
    assert [duration(s) for s in (0, 59, 61, 3599, 7500)] == ["1 s", "59 s", "1 min", "1 h 0 min", "2 h 5 min"]


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    assert progress(data) is None
    found = progress(b"computing over 9 chunks\n" + data)
    assert found is not None
    assert 0 <= found.done <= found.chunks
