"""The shape of a model, from headers and from the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from planner_cases import MIB, TINY, header_bytes, strix_27b
from pydantic import ValidationError

from strixkit.errors import InputError
from strixkit.planner.gguf import read_header
from strixkit.planner.parts import parts
from strixkit.planner.run import CacheTypes, Family, Run
from strixkit.planner.shape import ModelShape, Recurrent, shape_from_header

LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 4,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 192,
    "llama.attention.head_count": 4,
    "tokenizer.ggml.tokens": ["a", "b", "c"],
}
TENSORS: list[tuple[str, tuple[int, ...], str]] = [
    ("token_embd.weight", (64, 3), "f16"),
    ("blk.0.attn_q.weight", (64, 64), "q8_0"),
]


def shape_of(metadata: dict[str, Any], tensors: list[tuple[str, tuple[int, ...], str]] | None = None) -> ModelShape:
    data, size = header_bytes(metadata, TENSORS if tensors is None else tensors)
    return shape_from_header(read_header(data, size))


def test_the_27b_as_its_card_describes_it() -> None:
    data, size = strix_27b()
    shape = shape_from_header(read_header(data, size))
    assert size == pytest.approx(16.5e9, rel=0.002)
    assert (shape.layers, shape.attention_layers, shape.recurrent_layers, shape.nextn_layers) == (64, 16, 48, 1)
    assert shape.recurrent == Recurrent(conv_kernel=4, inner=6144, state=128, groups=16, heads=48)
    assert shape.recurrent.conv_channels == 10240
    assert (shape.key_width, shape.value_width, shape.vocabulary) == (1024, 1024, 248320)
    assert shape.token_embedding_bytes == 2 * 5120 * 248320
    assert shape.weights_bytes + shape.token_embedding_bytes == pytest.approx(size, rel=1e-4)
    assert shape.nextn_bytes / MIB == pytest.approx(215.6, abs=0.1)


def test_the_tiny_model() -> None:
    with TINY.open("rb") as handle:
        shape = shape_from_header(read_header(handle))
    assert shape.from_header
    assert (shape.layers, shape.attention_layers, shape.recurrent_layers, shape.nextn_layers) == (8, 2, 6, 1)
    assert (shape.embedding, shape.feed_forward, shape.vocabulary) == (256, 512, 264)
    assert (shape.key_width, shape.value_width, shape.context_length) == (128, 128, 262144)
    assert shape.recurrent == Recurrent(conv_kernel=4, inner=256, state=64, groups=2, heads=4)
    assert shape.token_embedding_bytes == 264 * 256 * 2


def test_plain_attention() -> None:
    shape = shape_of(LLAMA)
    assert (shape.layers, shape.attention_layers, shape.recurrent_layers) == (4, 4, 0)
    assert (shape.kv_heads, shape.key_length, shape.vocabulary) == (4, 16, 3)
    assert shape.recurrent is None


def test_a_model_without_an_output_matrix_holds_its_embedding_twice() -> None:
    embedding, query = 64 * 3 * 2, 64 * 64 // 32 * 34
    assert shape_of(LLAMA).weights_bytes == query + embedding
    separate = shape_of(LLAMA, [*TENSORS, ("output.weight", (64, 2), "f16")])
    assert separate.weights_bytes == query + 64 * 2 * 2
    assert separate.token_embedding_bytes == embedding


def test_layers_without_kv_heads_have_no_cache() -> None:
    assert shape_of({**LLAMA, "llama.attention.head_count_kv": [0, 2, 0, 2]}).attention_layers == 2


@pytest.mark.parametrize(
    "key", ["llama.block_count", "llama.embedding_length", "llama.attention.head_count", "llama.feed_forward_length"]
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(InputError, match=key):
        shape_of({k: v for k, v in LLAMA.items() if k != key})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"llama.block_count": 0}, "layers"),
        ({"llama.nextn_predict_layers": 9}, "layers"),
        ({"llama.attention.head_count": 0}, "heads"),
        ({"llama.embedding_length": "64"}, "embedding_length"),
        ({"llama.ssm.state_size": 0, "llama.ssm.inner_size": 1, "llama.ssm.conv_kernel": 4}, "state"),
    ],
)
def test_nonsense_is_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        shape_of({**LLAMA, **change})


def test_the_catalogues_shape_is_validated() -> None:
    data, size = strix_27b()
    entry = shape_from_header(read_header(data, size)).model_dump(exclude={"from_header"})
    assert not ModelShape.model_validate(entry).from_header
    with pytest.raises(ValidationError, match="atention_layers"):
        ModelShape.model_validate({**entry, "atention_layers": 16})
    with pytest.raises(ValidationError, match="embedding"):
        ModelShape.model_validate({**entry, "embedding": 0})


GEMMA = {key.replace("llama.", "gemma3."): value for key, value in LLAMA.items()} | {
    "general.architecture": "gemma3",
    "gemma3.block_count": 8,
    "gemma3.attention.sliding_window": 512,
}


def test_windows_by_groups_and_by_a_list() -> None:
    shape = shape_of(GEMMA)
    assert shape.window == 512
    assert shape.layer_kinds == (*["window"] * 5, "attention", "window", "window")
    assert [layer.window for layer in shape.cache_layers] == [kind == "window" for kind in shape.layer_kinds]
    listed = shape_of({**GEMMA, "gemma3.attention.sliding_window_pattern": [True, False] * 4})
    assert listed.layer_kinds == ("window", "attention") * 4


def test_a_window_that_llama_cpp_does_not_use_is_none() -> None:
    shape = shape_of({**LLAMA, "llama.attention.sliding_window": 512})
    assert (shape.window, set(shape.layer_kinds)) == (0, {"attention"})


def test_the_width_of_each_cache() -> None:
    shape = shape_of({**GEMMA, "gemma3.attention.head_count_kv": [2, 4] * 4, "gemma3.attention.key_length_swa": 32})
    assert [layer.key_width for layer in shape.cache_layers][:6] == [64, 128, 64, 128, 64, 64]
    assert [layer.value_width for layer in shape.cache_layers][:2] == [32, 64]


def test_only_recurrent_layers() -> None:
    mamba: dict[str, Any] = {
        "general.architecture": "mamba2",
        "mamba2.block_count": 4,
        "mamba2.embedding_length": 64,
        "mamba2.ssm.conv_kernel": 4,
        "mamba2.ssm.inner_size": 128,
        "mamba2.ssm.state_size": 16,
        "mamba2.ssm.time_step_rank": 8,
        "mamba2.ssm.group_count": 1,
        "tokenizer.ggml.tokens": ["a", "b"],
    }
    shape = shape_of(mamba)
    assert (shape.attention_layers, shape.recurrent_layers) == (0, 4)
    assert shape.recurrent is not None
    assert (shape.recurrent.conv_elements, shape.recurrent.state_elements) == (3 * 160, 2048)


def test_layers_and_experts_beyond_what_llama_cpp_takes_are_refused() -> None:
    for key, value in (("block_count", 4_000_000_000), ("expert_used_count", 4_000_000_000)):
        with pytest.raises(InputError, match=r"makes no sense: (layers|experts_used)"):
            shape_of({**LLAMA, f"llama.{key}": value})


@pytest.mark.parametrize("extra", [{}, {"ssm.conv_kernel": 4, "ssm.inner_size": 64, "ssm.state_size": 16}])
@pytest.mark.parametrize("family", ["rocmfp4", "upstream"])
def test_an_architecture_that_nobody_compared_is_planned_with_estimates(family: Family, extra: dict[str, int]) -> None:
    known = {key.replace("llama.", "novel."): value for key, value in LLAMA.items()}
    shape = shape_of({**known, "general.architecture": "novel", **{f"novel.{key}": n for key, n in extra.items()}})
    f16 = CacheTypes("f16", "f16")
    run = Run(
        family=family,
        hip=False,
        context=4096,
        parallel=2,
        batch=512,
        micro=256,
        kv=f16,
        draft_kv=f16,
        draft_max=-1,
        checkpoints=8,
        checkpoint_every=8192,
    )
    sure = {part.key: part.exact for part in parts(shape, run) if part.when == "start"}
    assert not any(sure[f"main.{kind}"] for kind in ("KV.device", "compute.device", "compute.host"))
    assert sure["main.model.device"]
