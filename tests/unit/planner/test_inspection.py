"""The facts of a GGUF: layers, types, parts, doubts, and which runtimes load it."""

from __future__ import annotations

from pathlib import Path

import pytest
from planner_cases import TINY, entry, head, header_bytes, info, strix_27b

from strixkit.display.inspection import lines
from strixkit.errors import InputError
from strixkit.planner.gguf import ROCMFP4_TYPES, STOCK_TYPES, read_header
from strixkit.planner.inspection import Inspection, inspect
from strixkit.planner.splits import FilePart, join, part_names
from strixkit.sources.local import read_local

RUNTIMES = {"debian": STOCK_TYPES, "rocmfp4": ROCMFP4_TYPES}
LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 2,
    "llama.context_length": 4096,
    "llama.vocab_size": 100,
}


def inspected(data: bytes, size: int | None = None) -> Inspection:
    size = len(data) if size is None else size
    return inspect(join([FilePart("x.gguf", size, read_header(data, size))]), RUNTIMES)


def with_tensor(type_id: int, metadata: dict[str, object] | None = None, *, room: int = 64) -> Inspection:
    metadata = metadata or {}
    data = head(2, len(metadata)) + b"".join(entry(key, value) for key, value in metadata.items())
    data += info("a", (256,), type_id, 0) + info("b", (8,), 0, room)
    start = -(-len(data) // 32) * 32
    return inspected(data, start + room + 32)


def test_the_forks_file() -> None:
    found = inspected(TINY.read_bytes())
    assert (found.architecture, found.name, found.vocabulary, found.context_length) == (
        "qwen35",
        "tinypred",
        264,
        262144,
    )
    assert found.layers is not None
    assert found.layers.model_dump() == {"attention": 2, "recurrent": 6, "mtp": 1}
    assert (found.file_type, found.file_type_name) == (105, "Q4_0_ROCMFP4_STRIX")
    assert {row.type: (row.tensors, row.bits_per_weight) for row in found.types} == {
        "q4_0_rocmfp4_fast": (59, 4.25),
        "q4_0_rocmfp4": (12, 4.5),
        "f16": (1, 16.0),
        "f32": (52, 32.0),
    }
    assert [(verdict.runtime, verdict.loads) for verdict in found.runtimes] == [("debian", False), ("rocmfp4", True)]
    assert (found.problems, found.doubts) == ((), ())


def test_the_27b_is_as_the_recipe_says() -> None:
    found = inspected(*strix_27b())
    assert found.layers is not None
    assert found.layers.model_dump() == {"attention": 16, "recurrent": 48, "mtp": 1}
    assert found.parameters == pytest.approx(27.32e9, rel=0.001)
    # 13.95 GiB with Q6_K embeddings, 15.34 with f16.
    assert found.bytes / 2**30 == pytest.approx(15.34, abs=0.01)
    assert found.bits_per_weight == pytest.approx(found.bytes * 8 / found.parameters, abs=0.01)
    text = "\n".join(lines(found))
    assert "16 attention, 48 recurrent, 1 MTP" in text
    assert "problem" not in text


def test_stock_types_are_loaded_by_both() -> None:
    found = inspected(*header_bytes(LLAMA, [("token_embd.weight", (32, 100), "f16")]))
    assert [verdict.loads for verdict in found.runtimes] == [True, True]
    assert (found.layers, found.template) == (found.layers, None)
    assert found.layers is not None
    assert (found.layers.attention, found.layers.recurrent, found.layers.mtp) == (2, 0, 0)


@pytest.mark.parametrize(
    ("type_id", "room", "words"),
    [
        (107, 96, "type 107 is q2_0_rocmfp2 in some forks"),
        (108, 160, "type 108 is q4_0_rocmi4 in some forks"),
        (41, 64, "q1_0 has id 41, which TurboQuant forks use"),
        (45, 64, "type 45 has id 45, which TurboQuant forks use"),
        (105, 128, "turbo3 (105) is a type for the KV cache only"),
    ],
)
def test_ids_that_other_forks_reuse_are_doubted(type_id: int, room: int, words: str) -> None:
    found = with_tensor(type_id, room=room)
    assert any(words in doubt for doubt in found.doubts)
    loads = {verdict.runtime: verdict.loads for verdict in found.runtimes}
    assert loads == {"debian": type_id == 41, "rocmfp4": type_id in (41, 105)}


def test_a_file_type_that_two_forks_use_is_doubted() -> None:
    found = with_tensor(102, {"general.file_type": 118 | 1024}, room=224)
    assert any("file type 118 is Q4_0_ROCMI4" in doubt for doubt in found.doubts)
    assert found.file_type_name == "Q6_0_ROCMFPX_STRIX_QUALITY"


def test_an_id_whose_room_is_another_is_a_problem() -> None:
    found = with_tensor(41, room=96)
    assert "1 tensors of type 41 take another room than q1_0 does" in found.problems[0]
    assert not any(verdict.loads for verdict in found.runtimes)


def test_an_mtp_head_that_a_conversion_lost_is_a_problem() -> None:
    metadata = {**LLAMA, "llama.block_count": 3, "llama.nextn_predict_layers": 1}
    found = inspected(*header_bytes(metadata, [("blk.1.attn_k.weight", (32, 32), "f16")]))
    assert found.problems == ("an MTP head is announced, but none of its tensors are there",)


def test_what_is_no_language_model_still_has_its_types() -> None:
    found = inspected(*header_bytes({"general.architecture": "clip"}, [("v.patch", (32, 4), "f16")]))
    assert (found.layers, found.vocabulary, found.types[0].type) == (None, None, "f16")
    assert any(
        "the memory planner cannot use it: the GGUF header has no usable clip" in doubt for doubt in found.doubts
    )


def test_texts_of_the_file_are_cleaned_and_cut() -> None:
    metadata = {**LLAMA, "general.name": "\x1b[2Jevil\nproblem: " + "x" * 5000}
    text = lines(inspected(*header_bytes(metadata, [("t", (32, 4), "f16")])))
    assert all("\x1b" not in line and "\n" not in line and len(line) < 300 for line in text)
    assert not any(line.startswith("problem") for line in text)


# Parts.


def write_parts(folder: Path, count: int = 3, **changes: dict[str, object]) -> list[Path]:
    """A model in parts; `changes`: part2={...} puts other metadata into that part, None takes a key out."""
    paths = []
    for number in range(count):
        metadata: dict[str, object] = {"split.no": number, "split.count": count, "split.tensors.count": count}
        metadata = {**(LLAMA if number == 0 else {}), **metadata, **changes.get(f"part{number + 1}", {})}
        data, size = header_bytes(
            {key: value for key, value in metadata.items() if value is not None},
            [(f"blk.{number}.attn_k.weight", (32, 32), "f16")],
        )
        path = folder / f"m-{number + 1:05}-of-{count:05}.gguf"
        path.write_bytes(data.ljust(size, b"\0"))
        paths.append(path)
    return paths


def joined(paths: list[Path]) -> Inspection:
    return inspect(join(read_local([str(path) for path in paths])), RUNTIMES)


def test_all_parts_are_one_model(tmp_path: Path) -> None:
    paths = write_parts(tmp_path)
    found = joined(paths)
    assert (found.problems, len(found.files), found.types[0].tensors) == ((), 3, 3)
    assert found.bytes == sum(path.stat().st_size for path in paths)
    assert (found.architecture, found.bits_per_weight) == ("llama", 16.0)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_missing_part_is_named(tmp_path: Path, gone: int) -> None:
    paths = write_parts(tmp_path)
    paths[gone].unlink()
    found = joined(paths)
    assert found.problems == (f"part {gone + 1} of 3: {paths[gone]} is not there",)
    assert found.files[gone].size is None
    assert found.types[0].tensors == 2
    assert not any(verdict.loads for verdict in found.runtimes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"part2": {"split.no": 2}}, "its header says that it is part 3, its name says 2"),
        ({"part2": {"split.count": 4}}, "by its name part 2 of 3, but its header announces 4 parts"),
        ({"part2": {"split.count": None}}, "announces 1 parts"),
        ({"part3": {"general.architecture": "qwen35"}}, "is of architecture qwen35, the first part is not"),
        ({"part1": {"split.tensors.count": 9}}, "the parts have 3 tensors, the first part announces 9"),
    ],
)
def test_parts_that_disagree_are_named(tmp_path: Path, changes: dict[str, dict[str, object]], words: str) -> None:
    assert any(words in problem for problem in joined(write_parts(tmp_path, **changes)).problems)


def test_truncated_and_repeated_parts_are_named(tmp_path: Path) -> None:
    paths = write_parts(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    paths[2].write_bytes(paths[0].read_bytes())
    problems = "\n".join(joined(paths).problems)
    assert f"{paths[1]}: the file is truncated" in problems
    assert "1 tensors are in more than one part, as blk.0.attn_k.weight" in problems


def test_a_renamed_part_is_told(tmp_path: Path) -> None:
    path = write_parts(tmp_path)[1].rename(tmp_path / "model.gguf")
    [problem, *_] = joined([path]).problems
    assert "by its name not one of several, but its header announces 3 parts" in problem


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("a/m.gguf", ["a/m.gguf"]),
        ("m-00001-of-00001.gguf", ["m-00001-of-00001.gguf"]),
        ("m-00002-of-00002.gguf", ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]),
        (
            "https://x/m-00001-of-00002.gguf?download=true",
            ["https://x/m-00001-of-00002.gguf?download=true", "https://x/m-00002-of-00002.gguf?download=true"],
        ),
        ("m-00001-of-00002.gguf.bak", ["m-00001-of-00002.gguf.bak"]),
    ],
)
def test_names_of_parts(name: str, names: list[str]) -> None:
    assert list(part_names(name)) == names


@pytest.mark.parametrize("name", ["m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "m-00001-of-00257.gguf"])
def test_names_of_impossible_parts_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="at most 256 parts"):
        part_names(name)
