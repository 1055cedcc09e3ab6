"""strix-verify, strixkit/planner/gguf.py and the gguf package read the same out of every file, or refuse it alike."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strixkit.planner.gguf import TYPES, GgufError, Header, check_size, read_header
from tests.native.conftest import Verify
from tests.native.gguf_bytes import (
    DATA,
    TINY,
    TINY_HEADER_BYTES,
    architecture,
    array,
    head,
    info,
    key,
    text,
    whole_file,
)

HUGE = [2**31, 2**40, 2**62, 2**63, 2**64 - 1]
TINY_BYTES = TINY.read_bytes()
# Each example is one process; how long that takes depends on the machine.
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def as_python_reads(path: Path) -> Header | GgufError:
    try:
        with path.open("rb") as handle:
            return read_header(handle)
    except GgufError as error:
        return error


def type_name(type_id: int) -> str:
    return TYPES[type_id].name if type_id in TYPES else f"unknown-{type_id}"


def assert_same(file: dict[str, Any], header: Header, size: int) -> None:
    keys = ("version", "alignment", "data_offset", "keys")
    expected = (header.version, header.alignment, header.data_offset, len(header.metadata))
    assert tuple(file[name] for name in keys) == expected
    found = [(t["name"], tuple(t["shape"]), t["type_id"], t["offset"], t["bytes"]) for t in file["tensors"]]
    assert found == [tuple(tensor) for tensor in header.tensors]
    assert [t["type"] for t in file["tensors"]] == [type_name(tensor.type_id) for tensor in header.tensors]
    named = header.metadata.get("general.architecture")
    assert file["architecture"] == (named if isinstance(named, str) else None)
    number = header.metadata.get("general.file_type")
    is_number = isinstance(number, int) and not isinstance(number, bool) and number >= 0
    assert file["file_type"] == (number if is_number else None)
    truncated = any("the file is truncated" in fault["what"] for fault in file["faults"])
    try:
        check_size(header, size)
    except GgufError:
        assert truncated
    else:
        assert not truncated


def assert_agreement(verify: Verify, path: Path) -> Header | GgufError:
    """Both readers on one file; returns what Python's says."""
    file = verify(path)
    answer = as_python_reads(path)
    if isinstance(answer, GgufError):
        assert file["verdict"] == "bad"
        assert (file["error"]["kind"], file["error"]["byte"]) == (answer.kind, answer.offset)
    else:
        assert file["error"] is None, file["error"]
        assert_same(file, answer, path.stat().st_size)
    return answer


def agreement_on(verify: Verify, data: bytes) -> Header | GgufError:
    with tempfile.NamedTemporaryFile(suffix=".gguf") as handle:
        handle.write(data)
        handle.flush()
        return assert_agreement(verify, Path(handle.name))


def assert_package_agrees(verify: Verify, path: Path) -> None:
    """The gguf package, which knows no types of forks, on a file that it can read."""
    file = verify(path)
    reader = gguf.GGUFReader(path)
    found = [
        (t["name"], t["shape"], t["type_id"], file["data_offset"] + t["offset"], t["bytes"]) for t in file["tensors"]
    ]
    expected = [
        (t.name, [int(extent) for extent in t.shape], int(t.tensor_type), int(t.data_offset), int(t.n_bytes))
        for t in reader.tensors
    ]
    assert found == expected
    assert (file["alignment"], file["data_offset"]) == (int(reader.alignment), int(reader.data_offset))


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.gguf")), ids=lambda path: path.name)
def test_every_file_of_the_tests(verify: Verify, path: Path) -> None:
    assert isinstance(assert_agreement(verify, path), Header)


# The package has q8_1 as it was before its two f32 became f16 (40 bytes a block, in ggml 36). No file has that type.
PACKAGE_TYPES = sorted(set(TYPES) & {int(kind) for kind in gguf.GGMLQuantizationType} - {9})
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
scalars = st.one_of(
    st.integers(0, 255).map(lambda n: (0, struct.pack("<B", n))),
    st.integers(-128, 127).map(lambda n: (1, struct.pack("<b", n))),
    st.integers(0, 2**16 - 1).map(lambda n: (2, struct.pack("<H", n))),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: (5, struct.pack("<i", n))),
    st.integers(0, 2**32 - 1).map(lambda n: (4, struct.pack("<I", n))),
    st.floats(width=32).map(lambda x: (6, struct.pack("<f", x))),
    st.booleans().map(lambda b: (7, struct.pack("<?", b))),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(lambda s: (8, text(s))),
    st.integers(0, 2**64 - 1).map(lambda n: (10, struct.pack("<Q", n))),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: (11, struct.pack("<q", n))),
    st.floats().map(lambda x: (12, struct.pack("<d", x))),
)
arrays = st.lists(st.text("abc", max_size=5), min_size=1, max_size=100)
keys = st.one_of(names, st.just("general.architecture"), st.just("general.file_type"))


@st.composite
def tensors(draw: st.DrawFn, type_ids: list[int]) -> list[tuple[str, list[int], int]]:
    found = []
    for name in draw(st.lists(names.filter(lambda n: len(n.encode()) < 60), max_size=6, unique=True)):
        type_id = draw(st.sampled_from(type_ids))
        rows = draw(st.lists(st.integers(1, 4), max_size=3))
        found.append((name, [TYPES[type_id].block * draw(st.integers(1, 3)), *rows], type_id))
    return found


@st.composite
def files(draw: st.DrawFn, type_ids: list[int]) -> bytes:
    alignment = draw(st.sampled_from([None, 8, 32, 64, 4096]))
    metadata = [key(name, *value) for name, value in draw(st.dictionaries(keys, scalars, max_size=5)).items()]
    words = [
        array(name + "[]", 8, len(v), b"".join(map(text, v)))
        for name, v in draw(st.dictionaries(names, arrays, max_size=2)).items()
    ]
    if alignment is not None:
        metadata.append(key("general.alignment", 4, struct.pack("<I", alignment)))
    return whole_file([*metadata, *words], draw(tensors(type_ids)), alignment or 32)


@examples
@given(data=files(sorted(TYPES)))
def test_files_of_all_types(verify: Verify, data: bytes) -> None:
    assert isinstance(agreement_on(verify, data), Header)


@examples
@given(data=files(PACKAGE_TYPES))
def test_the_gguf_package(verify: Verify, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".gguf") as handle:
        handle.write(data)
        handle.flush()
        try:
            gguf.GGUFReader(handle.name)
        except (ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError):
            return  # it cannot read it: nothing to agree with
        assert_package_agrees(verify, Path(handle.name))


@examples
@given(
    st.lists(
        st.tuples(st.integers(0, TINY_HEADER_BYTES - 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
    )
)
def test_any_damage_to_a_real_header(verify: Verify, damages: list[tuple[int, bytes]]) -> None:
    data = bytearray(TINY_BYTES)
    for position, damage in damages:
        data[position : position + len(damage)] = damage
    agreement_on(verify, bytes(data))


@examples
@given(st.integers(0, len(TINY_BYTES)) | st.integers(0, TINY_HEADER_BYTES + 64))
def test_any_cut_of_a_real_file(verify: Verify, length: int) -> None:
    agreement_on(verify, TINY_BYTES[:length])


@examples
@given(st.binary(max_size=300), st.integers(0, 3), st.integers(0, 3))
def test_any_bytes_after_a_good_start(verify: Verify, data: bytes, tensor_count: int, key_count: int) -> None:
    agreement_on(verify, head(tensor_count, key_count) + data)


HOSTILE = {
    "tensors": lambda n: head(n, 0),
    "keys": lambda n: head(0, n),
    "key length": lambda n: head(0, 1) + struct.pack("<Q", n),
    "string length": lambda n: head(0, 1) + key("k", 8, struct.pack("<Q", n)),
    "array of bytes": lambda n: head(0, 1) + array("k", 0, n),
    "array of doubles": lambda n: head(0, 1) + array("k", 12, n),
    "array of strings": lambda n: head(0, 1) + array("k", 8, n),
    "length in an array": lambda n: head(0, 1) + array("k", 8, 100, struct.pack("<Q", n)) + bytes(900),
    "nested arrays": lambda n: head(0, 1) + array("k", 9, n),
    "alignment": lambda n: head(0, 1) + key("general.alignment", 10, struct.pack("<Q", n)),
    "name length": lambda n: head(1, 0) + struct.pack("<Q", n),
    "dimensions": lambda n: head(1, 0) + text("t") + struct.pack("<I", n % 2**32 or 5),
    "shape": lambda n: head(1, 0) + info("t", (n, n, n, n), 0, 0),
    "bytes of a tensor": lambda n: head(1, 0) + info("t", (n,), 28, 0),
    "offset": lambda n: head(1, 0) + info("t", (1,), 0, n // 32 * 32),
    "offset of an unknown type": lambda n: head(1, 0) + info("t", (1,), 999, n // 32 * 32),
    "overlap": lambda n: head(2, 0) + info("a", (n // 8,), 0, 0) + info("b", (1,), 0, 32),
}


@pytest.mark.parametrize("count", HUGE)
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_numbers(verify: Verify, what: str, count: int) -> None:
    answer = agreement_on(verify, HOSTILE[what](count) + bytes(200))
    if isinstance(
        answer, Header
    ):  # a tensor that may be, if the file were long enough; or a large but allowed alignment
        assert what in {"bytes of a tensor", "offset", "offset of an unknown type", "shape", "alignment"}


@pytest.mark.parametrize(
    "data",
    [
        head(2, 0) + info("a", (32,), 0, 0) + info("b", (32,), 0, 96),
        head(2, 0) + info("a", (32,), 0, 96) + info("b", (32,), 0, 0),
        head(2, 0) + info("a", (32,), 999, 0) + info("b", (32,), 999, 0),
        head(2, 0) + info("a", (32,), 0, 0) + info("a", (32,), 0, 128),
        head(1, 0) + info("a", (32,), 0, 5),
        head(1, 0) + info("a", (33,), 8, 0),
        head(1, 1) + key("general.alignment", 4, struct.pack("<I", 48)) + info("a", (32,), 0, 0),
        head(1, 1) + key("general.alignment", 8, text("32")) + info("a", (32,), 0, 0),
        head(1, 1) + key("general.alignment", 7, b"\1") + info("a", (32,), 0, 0),
        head(1, 1) + key("general.alignment", 5, struct.pack("<i", -32)) + info("a", (32,), 0, 0),
        head(0, 2) + key("a", 0, b"x") + key("a", 0, b"x"),
        head(0, 1) + key("k", 13, b""),
        head(0, 1) + key(b"\xff\xfe", 0, b"x"),
        head(0, 0, version=1),
        head(0, 0, version=0x03000000),  # big-endian
    ],
)
def test_contradictions(verify: Verify, data: bytes) -> None:
    answer = agreement_on(verify, data + bytes(200))
    assert isinstance(answer, GgufError)
    assert answer.kind == "malformed"


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_cost_little(program: Path, tmp_path: Path, what: str) -> None:
    """With 32 MiB of address space, of which the C and C++ libraries take a part, and a file that claims a terabyte."""
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as handle:
        handle.write(HOSTILE[what](2**63))
        handle.truncate(2**40)
    limited: list[str | Path] = ["prlimit", "--as=33554432", "--cpu=2", program, "--json", path]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert '"byte": ' in done.stdout


def test_architecture_is_found_behind_other_keys(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole_file([array("a", 8, 2, text("x") + text("y")), architecture("gemma")], []))
    assert verify(path)["architecture"] == "gemma"
