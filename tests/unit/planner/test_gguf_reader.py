"""The header reader against the gguf package's writer and reader, and against a file of the ROCmFP4 fork."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import TINY, strix_27b

from strixkit.planner import gguf as reader
from strixkit.planner.gguf import (
    ROCMFP4_TYPES,
    STOCK_TYPES,
    TYPES,
    Array,
    GgufError,
    check_size,
    expected_file_size,
    from_summary,
    read_header,
    summary,
    unknown_types,
)

FORK = {
    100: ("q4_0_rocmfp4", 4.5),
    101: ("q4_0_rocmfp4_fast", 4.25),
    102: ("q6_0_rocmfpx", 6.5),
    103: ("q8_0_rocmfpx", 8.25),
    104: ("q3_0_rocmfpx", 3.5),
    105: ("turbo3", 3.5),
    106: ("turbo4", 4.5),
}
RAW_TYPES = ("F32", "F16", "BF16", "Q4_0", "Q8_0", "Q6_K", "MXFP4", "I32")


def written(
    path: Path, metadata: dict[str, Any], tensors: Sequence[tuple[str, tuple[int, ...], str]], alignment: int = 32
) -> Path:
    """A file by the gguf package, with zeros for weights. `metadata`: key -> (method, value)."""
    writer = gguf.GGUFWriter(path, "qwen35")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    for key, (kind, value) in metadata.items():
        getattr(writer, f"add_{kind}")(key, value)
    for name, shape, type_name in tensors:
        kind = gguf.GGMLQuantizationType[type_name]
        block, size = GGML_QUANT_SIZES[kind]
        rows = (*reversed(shape[1:]), shape[0] // block * size)
        writer.add_tensor(name, np.zeros(rows, dtype=np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


ALL_KINDS = {
    "a.u8": ("uint8", 255),
    "a.i8": ("int8", -128),
    "a.u16": ("uint16", 65535),
    "a.i16": ("int16", -32768),
    "a.u32": ("uint32", 2**32 - 1),
    "a.i32": ("int32", -(2**31)),
    "a.f32": ("float32", 0.5),
    "a.u64": ("uint64", 2**64 - 1),
    "a.i64": ("int64", -(2**63)),
    "a.f64": ("float64", 1e300),
    "a.yes": ("bool", True),
    "a.no": ("bool", False),
    "a.text": ("string", "Grüße, 你好"),
    "a.numbers": ("array", [6, 5, 5, 0]),
    "a.words": ("array", ["h e", "l l"]),
    "a.many": ("array", list(range(300))),
    "a.vocabulary": ("array", [f"token {n}" for n in range(70_000)]),
}


def test_every_kind_of_metadata_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "all.gguf", ALL_KINDS, [("t", (32,), "F32")])
    with path.open("rb") as handle:
        metadata = read_header(handle).metadata
    expected = {key: value for key, (_, value) in ALL_KINDS.items()}
    expected["general.architecture"] = "qwen35"
    expected["a.many"] = Array("i32", 300)
    expected["a.vocabulary"] = Array("string", 70_000)
    assert metadata == expected


@given(
    kinds=st.lists(st.tuples(st.sampled_from(RAW_TYPES), st.integers(1, 3), st.integers(1, 3)), max_size=8),
    alignment=st.sampled_from([32, 64, 4096]),
)
def test_tensors_are_where_the_gguf_package_finds_them(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[str, int, int]], alignment: int
) -> None:
    path = tmp_path_factory.mktemp("gguf") / "some.gguf"
    tensors = [(f"blk.{n}.w", (256 * row, rows), kind) for n, (kind, row, rows) in enumerate(kinds)]
    written(path, {}, tensors, alignment)
    with path.open("rb") as handle:
        header = read_header(handle)
    theirs = gguf.GGUFReader(path)
    assert header.alignment == alignment
    assert [(t.name, list(t.shape), t.type_id, t.nbytes, header.data_offset + t.offset) for t in header.tensors] == [
        (t.name, list(t.shape), int(t.tensor_type), t.n_bytes, int(t.data_offset)) for t in theirs.tensors
    ]
    size = path.stat().st_size
    assert size - header.alignment < expected_file_size(header) <= size


def test_type_table_is_the_gguf_packages() -> None:
    # q8_1 is never in a file; the package has its old size.
    theirs = {int(k): (k.name.lower(), *size) for k, size in GGML_QUANT_SIZES.items() if k.name != "Q8_1"}
    ours = {type_id: tuple(TYPES[type_id]) for type_id in theirs}
    assert ours == theirs


def test_type_table_has_the_forks_types() -> None:
    ours = {i: (TYPES[i].name, TYPES[i].size * 8 / TYPES[i].block) for i in FORK}
    assert ours == FORK
    assert frozenset(FORK) <= ROCMFP4_TYPES
    assert not frozenset(FORK) & STOCK_TYPES


def test_a_file_of_the_fork() -> None:
    with TINY.open("rb") as handle:
        header = read_header(handle)
    assert (header.version, len(header.tensors), len(header.metadata)) == (3, 124, 32)
    assert (header.data_offset, header.alignment) == (13248, 32)
    assert expected_file_size(header) == TINY.stat().st_size
    assert header.metadata["tokenizer.ggml.tokens"] == Array("string", 264)
    assert header.metadata["qwen35.rope.dimension_sections"] == [6, 5, 5, 0]
    assert "preserve_thinking" in str(header.metadata["tokenizer.chat_template"])
    refused = unknown_types(header, STOCK_TYPES)
    assert set(refused) == {100, 101}
    assert "output.weight" in refused[101]
    assert unknown_types(header, ROCMFP4_TYPES) == {}


def test_sizes_of_unknown_types_come_from_the_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    data = TINY.read_bytes()
    known = read_header(data)
    monkeypatch.setattr(reader, "TYPES", {i: t for i, t in TYPES.items() if i < 100})
    unknown = read_header(data)
    padded = [-(-t.nbytes // 32) * 32 if t.type_id >= 100 else t.nbytes for t in known.tensors]
    assert [t.nbytes for t in unknown.tensors] == padded


def test_the_first_bytes_of_a_file_are_enough() -> None:
    data, size = strix_27b()
    header = read_header(data, size)
    assert len(header.tensors) == 866
    assert expected_file_size(header) == size
    with pytest.raises(GgufError) as caught:
        read_header(data[: len(data) // 2], size)
    assert caught.value.kind == "incomplete"


def test_summary_survives_json() -> None:
    size = TINY.stat().st_size
    with TINY.open("rb") as handle:
        header = read_header(handle)
    assert from_summary(json.loads(json.dumps(summary(header, size)))) == header


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "truncated"),
        (b"GGU", "truncated"),
        (b"GGUF\3\0\0\0", "truncated"),
        (b"\0" * 5000, "zeros"),
        (b"\0", "zeros"),
        (b"PK\3\4 a zip archive", "not-gguf"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not-gguf"),
        (b"GGUF\1\0\0\0" + b"\0" * 100, "malformed"),
        (b"GGUF\0\0\0\3" + b"\0" * 100, "malformed"),
    ],
)
def test_what_is_not_a_header_is_told_apart(data: bytes, kind: str) -> None:
    with pytest.raises(GgufError) as caught:
        read_header(data)
    assert caught.value.kind == kind
    assert f"at byte {caught.value.offset}" in str(caught.value)


@pytest.mark.parametrize("cut", [1, 40_000, 3_499_776 - 13_248])
def test_missing_weights_are_a_truncated_file(cut: int) -> None:
    size = TINY.stat().st_size
    header = read_header(TINY.read_bytes()[: size - cut], size)
    check_size(header, size)
    with pytest.raises(GgufError, match="truncated") as caught:
        summary(header, size - cut)
    assert caught.value.kind == "truncated"


def test_a_file_without_tensors_is_complete(tmp_path: Path) -> None:
    path = written(tmp_path / "vocabulary.gguf", {"a.text": ("string", "x")}, [])
    with path.open("rb") as handle:
        header = read_header(handle)
    check_size(header, os.path.getsize(path))
    with pytest.raises(GgufError, match="truncated"):
        check_size(header, 40)


def test_the_reader_runs_alone_on_the_boxs_python() -> None:
    tree = ast.parse(Path(reader.__file__).read_text(), feature_version=(3, 9))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"__future__", "io", "struct", "typing"}
