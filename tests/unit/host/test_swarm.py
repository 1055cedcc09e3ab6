"""Pieces of a file over boxes: each once from the origin, whatever is there already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.errors import RemoteError
from strixkit.host.swarm import PIECE, Holding, assign, parse_ranges, pieces_of, ranges

NONE = frozenset[int]()


def _box(pieces: set[int] | None = None, assigned: set[int] | None = None) -> Holding:
    return Holding(False, frozenset(pieces or ()), frozenset(assigned or ()), bool(assigned))


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, dict[str, Holding]]:
    """A file and boxes that have parts of it; what running fetches were told is disjoint, as `assign` has told it."""
    count = draw(st.integers(1, 300))
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True))
    owner = draw(st.lists(st.sampled_from([*names, ""]), min_size=count, max_size=count))
    found = {}
    for name in names:
        pieces = draw(st.sets(st.integers(0, count - 1), max_size=count))
        found[name] = _box(pieces, {number for number, whose in enumerate(owner) if whose == name})
    return count, found


@given(boxes())
def test_each_missing_piece_comes_from_the_origin_exactly_once(case: tuple[int, dict[str, Holding]]) -> None:
    count, found = case
    own = assign(count, found, held=False)
    there = set().union(*(box.pieces for box in found.values()))
    fetched = [number for numbers in own.values() for number in numbers]
    assert sorted(fetched) == sorted(set(range(count)) - there)


@given(boxes())
def test_a_running_fetch_keeps_what_it_was_told(case: tuple[int, dict[str, Holding]]) -> None:
    count, found = case
    own = assign(count, found, held=False)
    there = set().union(*(box.pieces for box in found.values()))
    for name, box in found.items():
        assert own[name] >= box.assigned - there


def test_nothing_comes_from_the_origin_when_a_box_has_all_of_it() -> None:
    assert assign(10, {"a": _box(), "b": _box({1})}, held=True) == {"a": NONE, "b": NONE}


def test_boxes_share_evenly_and_each_has_a_beginning_early() -> None:
    own = assign(1600, {name: _box() for name in "abc"}, held=False)
    assert {len(numbers) for numbers in own.values()} <= {512, 576}
    assert [min(own[name]) for name in "abc"] == [0, 64, 128]


@given(st.sets(st.integers(0, 500)))
def test_ranges_are_read_as_they_are_written(numbers: set[int]) -> None:
    assert parse_ranges(ranges(numbers), 501, "box") == numbers


def test_ranges_of_a_box_reach_no_further_than_the_file() -> None:
    assert parse_ranges("0-999999999,7", 3, "box") == {0, 1, 2}


@pytest.mark.parametrize("text", ["-1", "1-", "1,,2", "a", "1\n", " 1", "9999999999"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="pieces makes no sense"):
        parse_ranges(text, 10, "box")


def test_the_last_piece_may_be_short() -> None:
    assert [pieces_of(size) for size in (1, PIECE, PIECE + 1)] == [1, 1, 2]
