"""A full-size `qwen35` model with an MTP head, without weights: what the catalogue's shape says, and a vocabulary.

A server starts it like the real file, so that its buffers can be read, on a device that computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from strixkit.planner.shape import ModelShape, Recurrent
from strixkit.rehearsal.headers import TensorInfo, Value, encode, write_sparse
from strixkit.sandbox.tinymodel.vocabulary import (
    END_OF_TEXT,
    MERGES,
    TURN_END,
    TokenType,
    token_types,
    tokens,
)

ROPE_SECTIONS = (11, 11, 10, 0)  # of Qwen3.5 and 3.6: two rotated elements of a head for each

TypeOf = Callable[[str], str]
"""The type of a matrix by its GGUF name; vectors and convolutions are always f32."""


def strix_types(name: str) -> str:
    """The model card's recipe: f16 embedding, dual-scale attention K, V and QKV, the faster single-scale otherwise."""
    if name == "token_embd.weight":
        return "f16"
    dual = name.endswith(("attn_k.weight", "attn_v.weight", "attn_qkv.weight"))
    return "q4_0_rocmfp4" if dual else "q4_0_rocmfp4_fast"


def q4_types(name: str) -> str:
    """The same for stock llama.cpp: f16 embedding, Q4_0 otherwise."""
    return "f16" if name == "token_embd.weight" else "q4_0"


def write_full_size(path: Path, shape: ModelShape, type_of: TypeOf, chat_template: str | None = None) -> Path:
    """Write the model as a sparse file and return `path`. `shape` is of architecture qwen35."""
    return write_sparse(path, *encode(metadata(shape, chat_template), tensors(shape, type_of)))


def metadata(shape: ModelShape, chat_template: str | None = None) -> dict[str, Value]:
    """Everything that a server wants to know before it starts."""
    mixer = _mixer(shape)
    own: dict[str, Value] = {
        "context_length": shape.context_length or 262144,
        "embedding_length": shape.embedding,
        "block_count": shape.layers + shape.nextn_layers,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.key_length,
        "attention.value_length": shape.value_length,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 10_000_000.0,
        "rope.dimension_count": 2 * sum(ROPE_SECTIONS),
        "rope.dimension_sections": ROPE_SECTIONS,
        "ssm.conv_kernel": mixer.conv_kernel,
        "ssm.inner_size": mixer.inner,
        "ssm.state_size": mixer.state,
        "ssm.time_step_rank": mixer.inner // mixer.state,
        "ssm.group_count": mixer.groups,
        "nextn_predict_layers": shape.nextn_layers,
        "full_attention_interval": shape.layers // shape.attention_layers,
    }
    general: dict[str, Value] = {"general.architecture": shape.architecture, "general.name": "rehearsal, no weights"}
    prefixed = {f"{shape.architecture}.{key}": value for key, value in own.items()}
    return general | prefixed | _tokenizer(shape.vocabulary, chat_template)


def _tokenizer(size: int, chat_template: str | None) -> dict[str, Value]:
    """The tiny model's tokens, filled up to `size`."""
    texts = tokens()
    filler = [f"<|filler{number}|>" for number in range(size - len(texts))]
    values: dict[str, Value] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen35",
        "tokenizer.ggml.tokens": [*texts, *filler],
        "tokenizer.ggml.token_type": [*token_types(), *[int(TokenType.NORMAL)] * len(filler)],
        "tokenizer.ggml.merges": list(MERGES),
        "tokenizer.ggml.eos_token_id": texts.index(TURN_END),
        "tokenizer.ggml.bos_token_id": texts.index(END_OF_TEXT),
        "tokenizer.ggml.add_bos_token": False,
    }
    return values | ({"tokenizer.chat_template": chat_template} if chat_template else {})


def tensors(shape: ModelShape, type_of: TypeOf) -> Iterator[TensorInfo]:
    """Every tensor, in the order of llama.cpp's converter."""
    for name, extents in _extents(shape):
        vector = len(extents) == 1 or name.endswith("ssm_conv1d.weight")
        yield TensorInfo(name, extents, "f32" if vector else type_of(name))


def _extents(shape: ModelShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "output.weight", (shape.embedding, shape.vocabulary)
    yield "output_norm.weight", (shape.embedding,)
    yield "token_embd.weight", (shape.embedding, shape.vocabulary)
    interval = shape.layers // shape.attention_layers
    for layer in range(shape.layers + shape.nextn_layers):
        block: list[tuple[str, tuple[int, ...]]] = [*_common(shape)]
        if layer >= shape.layers:
            block += [*_attention(shape), *_nextn(shape)]
        else:
            block += _attention(shape) if (layer + 1) % interval == 0 else _recurrent(shape)
        for name, extents in block:
            yield f"blk.{layer}.{name}", extents


def _common(shape: ModelShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "attn_norm.weight", (shape.embedding,)
    yield "post_attention_norm.weight", (shape.embedding,)
    yield "ffn_gate.weight", (shape.embedding, shape.feed_forward)
    yield "ffn_up.weight", (shape.embedding, shape.feed_forward)
    yield "ffn_down.weight", (shape.feed_forward, shape.embedding)


def _attention(shape: ModelShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Full attention; the rows of Q hold a gate as well."""
    width = shape.heads * shape.key_length
    yield "attn_q.weight", (shape.embedding, 2 * width)
    yield "attn_k.weight", (shape.embedding, shape.key_width)
    yield "attn_v.weight", (shape.embedding, shape.value_width)
    yield "attn_output.weight", (width, shape.embedding)
    yield "attn_q_norm.weight", (shape.key_length,)
    yield "attn_k_norm.weight", (shape.key_length,)


def _recurrent(shape: ModelShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Gated DeltaNet."""
    mixer = _mixer(shape)
    heads = mixer.inner // mixer.state
    yield "attn_qkv.weight", (shape.embedding, mixer.conv_channels)
    yield "attn_gate.weight", (shape.embedding, mixer.inner)
    yield "ssm_out.weight", (mixer.inner, shape.embedding)
    yield "ssm_alpha.weight", (shape.embedding, heads)
    yield "ssm_beta.weight", (shape.embedding, heads)
    yield "ssm_conv1d.weight", (mixer.conv_kernel, mixer.conv_channels)
    yield "ssm_a", (heads,)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_norm.weight", (mixer.state,)


def _nextn(shape: ModelShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "nextn.eh_proj.weight", (2 * shape.embedding, shape.embedding)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        yield f"nextn.{name}.weight", (shape.embedding,)


def _mixer(shape: ModelShape) -> Recurrent:
    if shape.recurrent is None:
        raise ValueError(f"a {shape.architecture} without recurrent layers is no qwen35")
    return shape.recurrent
