"""Whatever the bytes are: a header or a GgufError, in bounded time and memory."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import MIB, TINY, entry, head, info, text

from strixkit.errors import InputError
from strixkit.planner.gguf import Array, GgufError, Header, read_header, summary, unknown_types
from strixkit.planner.shape import shape_from_header

TINY_HEADER = TINY.read_bytes()[:13235]  # without the padding
TINY_SIZE = TINY.stat().st_size
HUGE = [2**63, 2**64 - 1, 2**40, 2**31]


def read(data: bytes, size: int | None = None) -> Header | None:
    """The header, used as its readers do; None for a GgufError. Anything else is a failure."""
    try:
        header = read_header(data, size)
        unknown_types(header, frozenset())
        summary(header, size or len(data))
    except GgufError:
        return None
    return header


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    assert read(data) is None or data.startswith(b"GGUF")


@given(st.binary(max_size=400), st.integers(0, 5), st.integers(0, 5))
def test_any_bytes_after_a_good_start(data: bytes, tensors: int, keys: int) -> None:
    header = read(head(tensors, keys) + data)
    assert header is None or len(header.tensors) == tensors


@given(st.lists(st.tuples(st.integers(0, 13234), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_any_damage_to_a_real_header(damages: list[tuple[int, bytes]]) -> None:
    data = bytearray(TINY_HEADER)
    for position, damage in damages:
        data[position : position + len(damage)] = damage
    header = read(bytes(data[:13235]), TINY_SIZE)
    if header is not None:
        with contextlib.suppress(InputError):
            assert shape_from_header(header).layers > 0


@given(st.integers(0, 13234))
def test_any_cut_of_a_real_header(length: int) -> None:
    data = TINY_HEADER[:length]
    with pytest.raises(GgufError) as whole:
        read_header(data)
    assert whole.value.kind == "truncated"
    if length:
        with pytest.raises(GgufError) as beginning:
            read_header(data, TINY_SIZE)
        assert beginning.value.kind == "incomplete"


def counted(kind: int, count: int) -> bytes:
    return text("k") + struct.pack("<IIQ", 9, kind, count)


HOSTILE = {
    "tensors": lambda n: head(n, 0),
    "keys": lambda n: head(0, n),
    "key length": lambda n: head(0, 1) + struct.pack("<Q", n) + bytes(100),
    "string length": lambda n: head(0, 1) + text("k") + struct.pack("<IQ", 8, n) + bytes(100),
    "array of bytes": lambda n: head(0, 1) + counted(0, n) + bytes(100),
    "array of doubles": lambda n: head(0, 1) + counted(12, n) + bytes(100),
    "array of strings": lambda n: head(0, 1) + counted(8, n) + bytes(100),
    "length in an array": lambda n: head(0, 1) + counted(8, 100) + struct.pack("<Q", n) + bytes(1000),
    "name length": lambda n: head(1, 0) + struct.pack("<Q", n) + bytes(100),
    "dimensions": lambda n: head(1, 0) + text("t") + struct.pack("<I", n % 2**32 or 5) + bytes(100),
    "shape": lambda n: head(1, 0) + info("t", (n, n, n, n), 0, 0),
}


@pytest.mark.parametrize("count", HUGE)
@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("size", [None, 2**44])
def test_hostile_counts_cost_little(what: str, count: int, size: int | None) -> None:
    data = HOSTILE[what](count)
    tracemalloc.start()
    try:
        with pytest.raises(GgufError):
            read_header(data, size)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (head(2, 0) + info("a", (32,), 0, 0) + info("b", (32,), 0, 96), "overlap"),
        (head(2, 0) + info("a", (32,), 0, 96) + info("b", (32,), 0, 0), "overlap"),
        (head(2, 0) + info("a", (32,), 999, 0) + info("b", (32,), 999, 0), "overlap"),
        (head(2, 0) + info("a", (32,), 0, 0) + info("a", (32,), 0, 128), "twice"),
        (head(1, 0) + info("a", (32,), 0, 5), "aligned"),
        (head(1, 0) + info("a", (33,), 8, 0), "multiple of 32"),
        (head(1, 1) + entry("general.alignment", 48) + info("a", (32,), 0, 0), "power of two"),
        (head(1, 1) + entry("general.alignment", "32") + info("a", (32,), 0, 0), "power of two"),
        (head(0, 2) + entry("a", 1) + entry("a", 2) + bytes(20), "twice"),
        (head(0, 1) + counted(9, 1) + bytes(40), "array of unknown"),
        (head(0, 1) + text("k") + struct.pack("<I", 13) + bytes(40), "unknown metadata type 13"),
        (head(0, 1) + text(b"\xff\xfe") + bytes(40), "UTF-8"),
    ],
)
def test_contradictions_are_named(data: bytes, words: str) -> None:
    with pytest.raises(GgufError, match=words) as caught:
        read_header(data + bytes(64))
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize("count", [2**21 + 1, 2**33])
def test_a_sparse_file_full_of_empty_strings(tmp_path: Path, count: int) -> None:
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as handle:
        handle.write(head(0, 1) + counted(8, count))
        handle.truncate(2**40)
    with path.open("rb") as handle, pytest.raises(GgufError, match="strings"):
        read_header(handle)


def test_long_strings_and_many_numbers_are_passed_over() -> None:
    long = "x" * (2 * MIB)
    many = [[n] * 200 for n in range(2000)]
    metadata = {"long": long, **{f"k{n}": numbers for n, numbers in enumerate(many)}}
    data = head(0, len(metadata)) + b"".join(entry(key, value) for key, value in metadata.items())
    tracemalloc.start()
    try:
        header = read_header(data)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert header.metadata["long"] == Array("byte", len(long))
    assert header.metadata["k0"] == [0] * 200
    assert header.metadata["k1999"] == Array("u32", 200)
