"""Is a made file what it should be: headers of every kind, and where the tool's file is taken from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strixkit.planner.gguf import Header, Tensor
from strixkit.remote.agent import paths
from strixkit.remote.agent.make import check, work
from strixkit.remote.agent.make.errors import MakeError
from strixkit.remote.agent.make.step import arguments

FAST, DUAL, F16, F32, Q6_K = 101, 100, 1, 0, 14
CARD = {
    "size_gb": None,
    "bits_per_weight": None,
    "tolerance_percent": 1.0,
    "types": {
        "^token_embd\\.weight$": "f16",
        "attn_(k|v|qkv)\\.weight$": "q4_0_rocmfp4",
        "ssm_conv1d\\.weight$": "f32",
    },
    "rest": "q4_0_rocmfp4_fast",
    "imatrix_tensors": 496,
    "nextn": "blk.64.nextn",
}
TENSORS = {
    "token_embd.weight": F16,
    "output.weight": FAST,
    "blk.0.attn_qkv.weight": DUAL,
    "blk.0.ssm_conv1d.weight": F32,
    "blk.0.ffn_up.weight": FAST,
    "blk.3.attn_k.weight": DUAL,
    "blk.3.attn_q.weight": FAST,
    "blk.3.attn_v.weight": DUAL,
    "blk.64.nextn.eh_proj.weight": FAST,
}


def header(types: dict[str, int], **metadata: object) -> Header:
    tensors = [Tensor(name, (256, 4), number, 0, 1024) for name, number in types.items()]
    tensors.append(Tensor("output_norm.weight", (256,), F32, 0, 1024))
    return Header(3, metadata, tuple(tensors), 0, 32)


def faults(types: dict[str, int], entries: int = 496, **expected: object) -> tuple[str, ...]:
    found = header(types, **{"quantize.imatrix.entries_count": entries})
    return check.faults(check.model(found, 16_470_000_000, {**CARD, **expected}))


def test_a_file_as_the_card_has_it() -> None:
    assert faults(TENSORS) == ()


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("token_embd.weight", Q6_K, r"^token_embd\.weight$: found q6_k (1): token_embd.weight, wanted f16"),
        ("blk.0.attn_qkv.weight", FAST, "q4_0_rocmfp4_fast (1): blk.0.attn_qkv.weight, wanted q4_0_rocmfp4"),
        ("output.weight", Q6_K, "other matrices: found q4_0_rocmfp4_fast (3), q6_k (1): output.weight"),
        ("blk.0.ffn_up.weight", F32, "f32 (1), q4_0_rocmfp4_fast (3): blk.0.ffn_up.weight, wanted q4_0_rocmfp4_fast"),
        ("blk.0.ffn_up.weight", 999, "type 999 (1)"),
    ],
)
def test_a_tensor_of_another_type(name: str, number: int, said: str) -> None:
    [fault] = faults({**TENSORS, name: number})
    assert said in fault


def test_a_pattern_that_finds_nothing_is_a_fault() -> None:
    [fault] = faults({name: number for name, number in TENSORS.items() if name != "token_embd.weight"})
    assert fault == r"^token_embd\.weight$: found none, wanted f16"


def test_no_head_and_an_imatrix_of_fewer_tensors() -> None:
    types = {name: number for name, number in TENSORS.items() if "nextn" not in name}
    assert faults(types, 490) == (
        "tensors with imatrix data: found 490, wanted 496",
        "MTP head: found 0 tensors blk.64.nextn.*, wanted some",
    )


@pytest.mark.parametrize(("wanted", "good"), [(16.5, True), (16.4, True), (16.9, False), (16.0, False)])
def test_sizes_within_a_hundredth(wanted: float, good: bool) -> None:
    assert (faults(TENSORS, size_gb=wanted) == ()) is good


def test_bits_per_weight_are_of_all_tensors() -> None:
    bits = 10 * 1024 * 8 / (9 * 1024 + 256)
    assert faults(TENSORS, bits_per_weight=bits) == ()
    assert "bits per weight: found 8.649, wanted 8.5, 1 % more or less" in faults(TENSORS, bits_per_weight=8.5)


def imatrix(done: int, said: int, /, **expected: object) -> tuple[str, ...]:
    types = {"a.weight.in_sum2": F32, "a.weight.counts": F32, "b.weight.in_sum2": F32, "b.weight.counts": F32}
    found = header({**types, "c.weight.in_sum2": F32}, **{"general.type": "imatrix", "imatrix.chunk_count": done})
    return check.faults(check.imatrix(found, said, expected))


def test_an_imatrix() -> None:
    assert imatrix(339, 339, chunks=339, tensors=2) == ()
    assert imatrix(330, 339, chunks=339) == ("chunks: found 330, wanted 339",)
    assert imatrix(10, 17) == ("chunks: found 10, wanted 17",)
    assert imatrix(339, 339, tensors=496) == ("tensors with data: found 2, wanted 496",)
    assert check.faults(check.imatrix(header(TENSORS), 0, {}))[0] == "file: found of no type, wanted imatrix"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> work.Work:
    monkeypatch.setattr(paths, "MADE", str(tmp_path))
    found = work.of({"path": f"{tmp_path}/x.gguf", "key": "a" * 64})
    os.makedirs(found.out)
    return found


def test_only_a_file_of_its_own_is_taken(here: work.Work, tmp_path: Path) -> None:
    made = Path(here.out, "x.gguf")
    with pytest.raises(MakeError, match="has made no file"):
        work.take(here)
    (tmp_path / "shadow").write_text("secret")
    made.symlink_to(tmp_path / "shadow")
    with pytest.raises(MakeError, match="has made no file"):
        work.take(here)
    made.unlink()
    os.link(tmp_path / "shadow", made)
    with pytest.raises(MakeError, match="no file of its own"):
        work.take(here)
    made.unlink()
    os.mkfifo(made)
    with pytest.raises(MakeError, match="no file of its own"):
        work.take(here)


@pytest.mark.parametrize("path", ["/etc/passwd", "{}/../x", "{}/.hidden", "{}/a/b"])
def test_nothing_is_made_elsewhere(here: work.Work, tmp_path: Path, path: str) -> None:
    with pytest.raises(MakeError, match="is no file that is made here"):
        work.of({"path": path.format(tmp_path), "key": "a" * 64})
    with pytest.raises(MakeError):
        work.of({"path": f"{tmp_path}/x", "key": "../../etc"})


def test_paths_are_filled_in(here: work.Work) -> None:
    step = {"argv": ["t", "-m", "{source}", "{out}", "{x}"], "inputs": [{"name": "source", "path": "/a b"}]}
    assert arguments(step, here) == ["t", "-m", "/a b", f"{here.out}/x.gguf", "{x}"]
