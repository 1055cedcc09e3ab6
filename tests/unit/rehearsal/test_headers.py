"""Headers without weights are read back by the planner's reader, and by the gguf package."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from strixkit.config.catalogue import load_model
from strixkit.planner.gguf import read_header
from strixkit.planner.shape import shape_from_header
from strixkit.rehearsal.errors import RehearsalError
from strixkit.rehearsal.fullsize import q4_types, strix_types, write_full_size
from strixkit.rehearsal.headers import TensorInfo, encode, write_sparse
from strixkit.rehearsal.model import hollow_copy

SHAPE = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
TINY = Path(__file__).parents[2] / "data/gguf/tiny-pred-strix.gguf"


def test_full_size_model_has_the_catalogues_shape(tmp_path: Path) -> None:
    assert SHAPE is not None
    path = write_full_size(tmp_path / "27b.gguf", SHAPE, strix_types, "{{ messages }}")
    assert path.stat().st_size > 16_000_000_000
    assert path.stat().st_blocks * 512 < 20_000_000
    with path.open("rb") as file:
        shape = shape_from_header(read_header(file))
    # A file lists its layers one by one, and says how the device pads its rows.
    apart = {"from_header", "kinds", "caches", "weights_bytes", "hip_padding_bytes", "recurrent"}
    assert shape.model_dump(exclude=apart) == SHAPE.model_dump(exclude=apart)
    assert shape.weights_bytes == SHAPE.weights_bytes
    assert (shape.layer_kinds, shape.cache_layers) == (SHAPE.layer_kinds, SHAPE.cache_layers)
    assert shape.recurrent is not None
    assert SHAPE.recurrent is not None
    assert shape.recurrent.value_heads == SHAPE.recurrent.value_heads


def test_the_gguf_package_reads_it_too(tmp_path: Path) -> None:
    assert SHAPE is not None
    small = SHAPE.model_copy(update={"layers": 4, "attention_layers": 1, "vocabulary": 1000, "feed_forward": 512})
    path = write_full_size(tmp_path / "small.gguf", small, q4_types, "{{ messages }}")
    reader = gguf.GGUFReader(path)
    assert {tensor.tensor_type.name for tensor in reader.tensors} == {"F32", "F16", "Q4_0"}
    assert len(reader.fields["tokenizer.ggml.tokens"].data) == 1000
    assert reader.fields["tokenizer.ggml.token_type"].types[-1] == gguf.GGUFValueType.INT32


def test_hollow_copy_has_the_header_and_the_size(tmp_path: Path) -> None:
    copy = Path(hollow_copy(str(TINY), str(tmp_path / "copy.gguf")))
    assert copy.stat().st_size == TINY.stat().st_size
    with copy.open("rb") as file, TINY.open("rb") as original:
        start = read_header(original).data_offset
        assert read_header(file) == read_header(original)
        assert copy.read_bytes()[:start] == TINY.read_bytes()[:start]
        assert not any(copy.read_bytes()[start:])


@pytest.mark.parametrize(
    ("metadata", "cut", "words"),
    [
        ({"split.count": 2}, 0, "one of several files"),
        ({}, 32, "truncated"),
    ],
)
def test_what_cannot_be_copied_is_said(tmp_path: Path, metadata: dict[str, int], cut: int, words: str) -> None:
    header, size = encode({"general.architecture": "llama", **metadata}, [TensorInfo("x", (64,), "f32")])
    model = write_sparse(tmp_path / "model.gguf", header, size - cut)
    with pytest.raises(RehearsalError, match=words):
        hollow_copy(str(model), str(tmp_path / "copy.gguf"))


def test_a_missing_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="cannot be copied"):
        hollow_copy(str(tmp_path / "none.gguf"), str(tmp_path / "copy.gguf"))
