"""The tiny model's weights: every layer computes on random numbers, and yet what it says is known.

A token's row of the embedding is random +-1. Whatever writes to the residual stream is so small that the last
hidden state is still that row, and an output row is the sum of the rows of the tokens that it may follow: the
right token's logit is the row's length, 256, any other's is around 16 (the square root), so that sampling at
temperature 1.0 never misses. The MTP head looks at the embedding of the newest token and so drafts the same,
unless noise is added to it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strixkit.sandbox.tinymodel.shape import TINY, Shape
from strixkit.sandbox.tinymodel.vocabulary import EXPECTED_CONTENT, recitation, successors, token_id, tokens

Array = NDArray[np.float32]

# What each layer adds to the residual stream, relative to an embedding row: too small to change a token, and
# not zero, so that the layers do real work and a NaN in one of them shows.
RESIDUAL = 0.01
# After the last letter the first one scores this share of the end of the turn, so that a request with
# `ignore_eos` recites on and on.
RESTART = 0.5


@dataclass(frozen=True)
class Source:
    """Random numbers by the tensor's name: one tensor's values do not depend on any other's."""

    seed: int

    def _bits(self, name: str, count: int) -> NDArray[np.uint64]:
        # random_raw of a named bit generator is the same in every numpy release; the distributions are not.
        generator = np.random.PCG64(np.random.SeedSequence([self.seed, zlib.crc32(name.encode())]))
        return np.asarray(generator.random_raw(count), dtype=np.uint64)

    def signs(self, name: str, shape: tuple[int, ...]) -> Array:
        """-1 or +1."""
        bits = self._bits(name, int(np.prod(shape))) >> np.uint64(63)
        return (bits.astype(np.float32) * 2 - 1).reshape(shape)

    def uniform(self, name: str, shape: tuple[int, ...], scale: float = 1.0) -> Array:
        """Of mean 0 and standard deviation `scale`."""
        fraction = (self._bits(name, int(np.prod(shape))) >> np.uint64(40)).astype(np.float64) / 2**24
        return ((fraction * 2 - 1) * (scale * 3**0.5)).astype(np.float32).reshape(shape)

    def projection(self, name: str, outputs: int, inputs: int, scale: float = 1.0) -> Array:
        """A matrix that turns inputs of size 1 into outputs of size `scale`."""
        return self.uniform(name, (outputs, inputs), scale / inputs**0.5)


def embedding(source: Source, shape: Shape = TINY) -> Array:
    """One row of random +-1 per token; the tokens outside the recitation share their first half."""
    rows = source.signs("token_embd.weight", (len(tokens()), shape.embedding))
    half = shape.embedding // 2
    others = np.setdiff1d(np.arange(len(rows)), recitation())
    rows[others, :half] = source.signs("outside the recitation", (half,))
    return rows


def output(rows: Array) -> Array:
    """The row of each token: the sum of its predecessors' embedding `rows`; zero if it is never said."""
    result = np.zeros_like(rows)
    spoken = recitation()
    after = successors()
    for token in spoken:
        result[after[token]] += rows[token]
    # The tokens outside the recitation are too many to sum: their common half, doubled, stands for them all.
    half = rows.shape[1] // 2
    result[spoken[0], :half] += 2 * rows[token_id("\n"), :half]
    result[spoken[0]] += RESTART * rows[token_id(EXPECTED_CONTENT[-1])]
    return result


def _shared(source: Source, block: str, shape: Shape) -> Iterator[tuple[str, Array]]:
    """What every block has: two norms and the feed-forward part."""
    yield f"{block}.attn_norm.weight", np.ones(shape.embedding, np.float32)
    yield f"{block}.post_attention_norm.weight", np.ones(shape.embedding, np.float32)
    for name, outputs, inputs, scale in (
        ("ffn_gate", shape.feed_forward, shape.embedding, 1.0),
        ("ffn_up", shape.feed_forward, shape.embedding, 1.0),
        ("ffn_down", shape.embedding, shape.feed_forward, RESIDUAL),
    ):
        tensor = f"{block}.{name}.weight"
        yield tensor, source.projection(tensor, outputs, inputs, scale)


def _attention(source: Source, block: str, shape: Shape) -> Iterator[tuple[str, Array]]:
    """Full attention; the query rows hold a gate as well, hence twice the heads."""
    queries = shape.heads * shape.head_length
    keys = shape.kv_heads * shape.head_length
    for name, outputs, inputs, scale in (
        ("attn_q", 2 * queries, shape.embedding, 1.0),
        ("attn_k", keys, shape.embedding, 1.0),
        ("attn_v", keys, shape.embedding, 1.0),
        ("attn_output", shape.embedding, queries, RESIDUAL),
    ):
        tensor = f"{block}.{name}.weight"
        yield tensor, source.projection(tensor, outputs, inputs, scale)
    yield f"{block}.attn_q_norm.weight", np.ones(shape.head_length, np.float32)
    yield f"{block}.attn_k_norm.weight", np.ones(shape.head_length, np.float32)


def _linear_attention(source: Source, block: str, shape: Shape) -> Iterator[tuple[str, Array]]:
    """Gated DeltaNet: a convolution and a recurrent state instead of a KV cache."""
    for name, outputs, inputs, scale in (
        ("attn_qkv", shape.convolved, shape.embedding, 1.0),
        ("attn_gate", shape.ssm_inner, shape.embedding, 1.0),
        ("ssm_alpha", shape.ssm_heads, shape.embedding, 1.0),
        ("ssm_beta", shape.ssm_heads, shape.embedding, 1.0),
        ("ssm_out", shape.embedding, shape.ssm_inner, RESIDUAL),
        ("ssm_conv1d", shape.convolved, shape.ssm_kernel, 1.0),
    ):
        tensor = f"{block}.{name}.weight"
        yield tensor, source.projection(tensor, outputs, inputs, scale)
    # The decay rate of each head's state: negative, so that the state cannot grow without bound.
    yield f"{block}.ssm_a", -np.linspace(0.1, 1.0, shape.ssm_heads, dtype=np.float32)
    yield f"{block}.ssm_dt.bias", np.zeros(shape.ssm_heads, np.float32)
    yield f"{block}.ssm_norm.weight", np.ones(shape.ssm_state, np.float32)


def _draft_head(source: Source, block: str, shape: Shape, noise: float) -> Iterator[tuple[str, Array]]:
    """The MTP head: passes the newest token's embedding on and drops the hidden state, plus `noise`."""
    size = shape.embedding
    tensor = f"{block}.nextn.eh_proj.weight"
    projection = np.concatenate([np.eye(size, dtype=np.float32), np.zeros((size, size), np.float32)], axis=1)
    yield tensor, projection + source.projection(tensor, size, 2 * size, noise * 2**0.5)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        yield f"{block}.nextn.{name}.weight", np.ones(size, np.float32)


def tensors(
    seed: int, draft_noise: float = 0.0, temperature: float = 1.0, shape: Shape = TINY
) -> Iterator[tuple[str, Array]]:
    """Every tensor of the model by its GGUF name, as numpy sees it (rows first), in the order of the file."""
    source = Source(seed)
    rows = embedding(source, shape)
    yield "token_embd.weight", rows
    yield "output_norm.weight", np.ones(shape.embedding, np.float32)
    yield "output.weight", output(rows) / np.float32(temperature)
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield from _shared(source, block, shape)
        full = (layer + 1) % shape.full_attention_interval == 0
        yield from (_attention if full else _linear_attention)(source, block, shape)
    block = f"blk.{shape.layers}"
    yield from _shared(source, block, shape)
    yield from _attention(source, block, shape)
    yield from _draft_head(source, block, shape, draft_noise)
