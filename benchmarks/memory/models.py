"""Models of every family that is measured: their metadata and tensors, with weights that are all zero.

A file is a real GGUF header and a hole of the right length, so a full-size model takes a few MB on disk. The
names and shapes are those that llama.cpp's loaders ask for (src/models/*.cpp: load_arch_tensors).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from strixkit.rehearsal.fullsize import TypeOf, q4_types, strix_types
from strixkit.rehearsal.headers import TensorInfo, Value, encode, write_sparse
from strixkit.sandbox.tinymodel import vocabulary as tiny

Lengths = tuple[int, ...]

# A type for each matrix: the model card's, and the same for stock llama.cpp.
RECIPES: Mapping[str, TypeOf] = {"strix": strix_types, "q4": q4_types}


@dataclass(frozen=True)
class Dimensions:
    """A model by its family (llama.cpp's architecture) and its sizes, in elements.

    `weights` is the type of all matrices, or one of RECIPES; `tied` leaves the output matrix out of the file.
    """

    family: str
    layers: int
    embedding: int
    feed_forward: int = 0
    heads: int = 1
    kv_heads: int = 1
    head_length: int = 64
    vocabulary: int = 512
    experts: int = 0
    experts_used: int = 0
    shared_feed_forward: int = 0
    window: int = 0
    ssm_inner: int = 0
    ssm_state: int = 0
    ssm_heads: int = 0
    ssm_groups: int = 1
    ssm_kernel: int = 4
    nextn: int = 0
    interval: int = 4
    tied: bool = False
    weights: str = "f16"

    @property
    def convolved(self) -> int:
        """Channels of the convolution of a recurrent layer."""
        return self.ssm_inner + 2 * self.ssm_groups * self.ssm_state


def write_model(path: Path, model: Dimensions) -> Path:
    """Write the model to `path`: its header, and zeros without blocks on disk for its weights."""
    own = {f"{model.family}.{key}": value for key, value in _metadata(model)}
    metadata = {"general.architecture": model.family, "general.name": "no weights", **own}
    return write_sparse(path, *encode(metadata | _tokenizer(model.vocabulary), tensors(model)))


def _metadata(model: Dimensions) -> Iterator[tuple[str, Value]]:
    yield "context_length", 262144
    yield "embedding_length", model.embedding
    yield "block_count", model.layers + model.nextn
    yield "attention.layer_norm_rms_epsilon", 1e-6
    yield "feed_forward_length", model.feed_forward
    if model.family != "mamba2":
        yield "attention.head_count", model.heads
        yield "attention.head_count_kv", model.kv_heads
        yield "attention.key_length", model.head_length
        yield "attention.value_length", model.head_length
        yield "rope.freq_base", 1e6
    if model.experts:
        yield "expert_count", model.experts
        yield "expert_used_count", model.experts_used
        yield "expert_feed_forward_length", model.feed_forward
    if model.shared_feed_forward:
        yield "expert_shared_feed_forward_length", model.shared_feed_forward
    if model.window:
        yield "attention.sliding_window", model.window
    if model.ssm_inner:
        yield "ssm.conv_kernel", model.ssm_kernel
        yield "ssm.inner_size", model.ssm_inner
        yield "ssm.state_size", model.ssm_state
        yield "ssm.time_step_rank", model.ssm_heads
        yield "ssm.group_count", model.ssm_groups
    if model.family.startswith("qwen35"):
        yield "rope.dimension_count", model.head_length // 4
        section = model.head_length // 4 // 2 // 3
        yield "rope.dimension_sections", [model.head_length // 8 - 2 * section, section, section, 0]
        yield "full_attention_interval", model.interval
    if model.nextn:
        yield "nextn_predict_layers", model.nextn
    if model.family == "gemma2":
        yield "attn_logit_softcapping", 50.0
        yield "final_logit_softcapping", 30.0


def _tokenizer(size: int) -> dict[str, Value]:
    """The tiny model's tokens, and unused ones up to `size`."""
    known = tiny.tokens()
    filler = size - len(known)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen35",
        "tokenizer.ggml.tokens": [*known, *(f"[unused{number}]" for number in range(filler))],
        "tokenizer.ggml.token_type": [*tiny.token_types(), *([int(tiny.TokenType.NORMAL)] * filler)],
        "tokenizer.ggml.merges": list(tiny.MERGES),
        "tokenizer.ggml.eos_token_id": tiny.token_id(tiny.TURN_END),
        "tokenizer.ggml.bos_token_id": tiny.token_id(tiny.END_OF_TEXT),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>\n{% endfor %}",
    }


def tensors(model: Dimensions) -> Iterator[TensorInfo]:
    """Every tensor: vectors in f32, matrices in the model's type."""
    recipe = RECIPES.get(model.weights)
    for name, lengths in _named(model):
        vector = len(lengths) == 1 or ".ssm_conv1d." in name or name.endswith((".ssm_a", ".ssm_d", "ssm_norm.weight"))
        matrix = recipe(name) if recipe else model.weights
        yield TensorInfo(name, lengths, "f32" if vector else matrix)


def _named(model: Dimensions) -> Iterator[tuple[str, Lengths]]:
    size = model.embedding
    yield "token_embd.weight", (size, model.vocabulary)
    yield "output_norm.weight", (size,)
    if not model.tied:
        yield "output.weight", (size, model.vocabulary)
    for layer in range(model.layers):
        yield from ((f"blk.{layer}.{name}", lengths) for name, lengths in _block(model, layer))
    for layer in range(model.layers, model.layers + model.nextn):
        yield from ((f"blk.{layer}.{name}", lengths) for name, lengths in _nextn_block(model))


def _block(model: Dimensions, layer: int) -> Iterator[tuple[str, Lengths]]:
    yield "attn_norm.weight", (model.embedding,)
    if model.family == "mamba2":
        yield from _mamba2(model)
        return
    if model.family.startswith("qwen35"):
        attends = (layer + 1) % model.interval == 0
        yield from _attention(model) if attends else _delta_net(model)
    else:
        yield from _attention(model)
    yield from _feed_forward(model)


def _nextn_block(model: Dimensions) -> Iterator[tuple[str, Lengths]]:
    size = model.embedding
    yield "attn_norm.weight", (size,)
    yield from _attention(model)
    yield from _feed_forward(model)
    yield "nextn.eh_proj.weight", (2 * size, size)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        yield f"nextn.{name}.weight", (size,)


def _attention(model: Dimensions) -> Iterator[tuple[str, Lengths]]:
    gated = model.family.startswith("qwen35")
    rows = model.heads * model.head_length
    yield "attn_q.weight", (model.embedding, 2 * rows if gated else rows)
    yield "attn_k.weight", (model.embedding, model.kv_heads * model.head_length)
    yield "attn_v.weight", (model.embedding, model.kv_heads * model.head_length)
    yield "attn_output.weight", (rows, model.embedding)
    if model.family not in ("llama", "gemma2"):
        yield "attn_q_norm.weight", (model.head_length,)
        yield "attn_k_norm.weight", (model.head_length,)


def _delta_net(model: Dimensions) -> Iterator[tuple[str, Lengths]]:
    size = model.embedding
    yield "attn_qkv.weight", (size, model.convolved)
    yield "attn_gate.weight", (size, model.ssm_inner)
    yield "ssm_conv1d.weight", (model.ssm_kernel, model.convolved)
    yield "ssm_dt.bias", (model.ssm_heads,)
    yield "ssm_a", (model.ssm_heads,)
    yield "ssm_beta.weight", (size, model.ssm_heads)
    yield "ssm_alpha.weight", (size, model.ssm_heads)
    yield "ssm_norm.weight", (model.ssm_state,)
    yield "ssm_out.weight", (model.ssm_inner, size)


def _mamba2(model: Dimensions) -> Iterator[tuple[str, Lengths]]:
    yield "ssm_in.weight", (model.embedding, model.ssm_inner + model.convolved + model.ssm_heads)
    yield "ssm_conv1d.weight", (model.ssm_kernel, model.convolved)
    yield "ssm_conv1d.bias", (model.convolved,)
    yield "ssm_dt.bias", (model.ssm_heads,)
    yield "ssm_a", (1, model.ssm_heads)
    yield "ssm_d", (1, model.ssm_heads)
    yield "ssm_norm.weight", (model.ssm_inner // model.ssm_groups, model.ssm_groups)
    yield "ssm_out.weight", (model.ssm_inner, model.embedding)


def _feed_forward(model: Dimensions) -> Iterator[tuple[str, Lengths]]:
    size, inner = model.embedding, model.feed_forward
    qwen35 = model.family.startswith("qwen35")
    gemma = model.family.startswith("gemma")
    if qwen35 or gemma:
        yield "post_attention_norm.weight", (size,)
    if gemma:
        yield "post_ffw_norm.weight", (size,)
    if not qwen35:
        yield "ffn_norm.weight", (size,)
    if not model.experts:
        yield "ffn_gate.weight", (size, inner)
        yield "ffn_up.weight", (size, inner)
        yield "ffn_down.weight", (inner, size)
        return
    yield "ffn_gate_inp.weight", (size, model.experts)
    yield "ffn_gate_exps.weight", (size, inner, model.experts)
    yield "ffn_up_exps.weight", (size, inner, model.experts)
    yield "ffn_down_exps.weight", (inner, size, model.experts)
    if model.shared_feed_forward:
        shared = model.shared_feed_forward
        yield "ffn_gate_inp_shexp.weight", (size,)
        yield "ffn_gate_shexp.weight", (size, shared)
        yield "ffn_up_shexp.weight", (size, shared)
        yield "ffn_down_shexp.weight", (shared, size)
