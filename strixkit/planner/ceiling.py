"""How fast a model can decode at most: the bytes that one step must move, at a bandwidth that was measured.

Without drafts each token reads every weight that it is multiplied with, the KV cache of the context so far, and the
recurrent states, which are written back. Nothing can be faster than that; computing, small tensors and the gaps between
kernels come on top.

A step with n drafts reads the MTP block, an output matrix and the draft's KV cache n times, then checks all n + 1
tokens with one reading of the rest, and writes n + 1 planes of the recurrent states. If every drafted token is accepted
with probability a, provided that those before it were, a step yields on average

    1 + a + a^2 + ... + a^n = (1 - a^(n+1)) / (1 - a)

tokens (Y. Leviathan, M. Kalman, Y. Matias, Fast Inference from Transformers via Speculative Decoding, ICML 2023,
arXiv:2211.17192, equation 1). What llama-server logs as acceptance is the share A of the drafted tokens; in its terms a
step yields 1 + A n.

Held against published speeds, at 215 GB/s (hogeheer499's strix-halo-guide; tests/unit/planner/test_ceiling.py): all are
below the ceiling. A Q8 of the 27B without drafts, taken as Q8_0 throughout, decodes at 83 % of it on ROCm
(kyuz0/amd-strix-halo-toolboxes, benchmark/results-mtp). The card of
plunderstruck/Qwen3.6-27B-MTP-ROCmFP4-GGUF says 33 tokens/s at short and 18 at 140k tokens of context, with 3 drafts
and A about 0.885: 72 % and 64 % of it. Checking several tokens at once is no longer bound by memory alone, so the
ceiling with drafts is looser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from strixkit.errors import InputError
from strixkit.planner.gguf import Header, Tensor
from strixkit.planner.memory import kv_row_bytes, layer_row_bytes, recurrent_plane_bytes
from strixkit.planner.run import CacheTypes
from strixkit.planner.shape import ModelShape, shape_from_header

# Matrices of all experts of a layer, of which a token is multiplied with some (llama-arch.cpp: LLM_TENSOR_FFN_*_EXPS).
EXPERTS = re.compile(r"blk\.(\d+)\.ffn_[a-z_]+_exps\.weight")
OWN_HEAD = re.compile(r"blk\.\d+\.nextn\.shared_head_head\.weight")


@dataclass(frozen=True)
class Traffic:
    """Bytes that one step moves.

    weights: of the main layers and the output matrix, read once. kv: of the main layers. state: recurrent, read and
    written. drafting: all that the MTP block reads, for all drafts together.
    """

    weights: float
    kv: float
    state: float
    drafting: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.kv + self.state + self.drafting


@dataclass(frozen=True)
class Ceiling:
    """At most so many tokens a second. tokens: that a step yields, on average. gbps: the bandwidth, 10^9 bytes/s."""

    traffic: Traffic
    tokens: float
    gbps: float

    @property
    def tokens_per_second(self) -> float:
        """The ceiling itself."""
        return self.tokens * self.gbps * 1e9 / self.traffic.total


def tokens_per_step(drafts: int, acceptance: float) -> float:
    """Mean tokens of a step; acceptance: of each drafted token, 0 to 1, provided that those before it were accepted."""
    return sum(acceptance**token for token in range(drafts + 1))


def acceptance_of_share(drafts: int, share: float) -> float:
    """The acceptance of each token with which `share` of all drafted tokens are accepted, as llama-server logs it.

    Solves (a + ... + a^n) / n = share for 0 <= a <= 1. Raises InputError for a share that is none.
    """
    if not 0 <= share <= 1:
        raise InputError(f"acceptance {share}: wanted a share from 0 to 1")
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = tokens_per_step(drafts, middle) - 1 < share * drafts
        low, high = (middle, high) if below else (low, middle)
    return (low + high) / 2


def ceiling(
    header: Header,
    gbps: float,
    *,
    context: int,
    kv: CacheTypes,
    drafts: int = 0,
    acceptance: float = 0.0,
    draft_kv: CacheTypes | None = None,
) -> Ceiling:
    """The ceiling of one conversation with `context` tokens in its cache.

    gbps: measured bandwidth of reading, 10^9 bytes/s. drafts: tokens that the MTP block drafts in each step.
    draft_kv: types of its cache (`kv` if None).

    Raises InputError if the model cannot draft, or a number makes no sense.
    """
    shape = shape_from_header(header)
    if not (gbps > 0 and context >= 0 and drafts >= 0 and 0 <= acceptance <= 1):
        found = f"{gbps} GB/s, context {context}, {drafts} drafts, acceptance {acceptance}"
        raise InputError(f"decode ceiling: found {found}; wanted a positive bandwidth and an acceptance from 0 to 1")
    if drafts and not shape.nextn_layers:
        raise InputError("the model has no MTP block (nextn_predict_layers), so it cannot draft")
    traffic = Traffic(
        weights=_main_weights(header, shape),
        kv=_kv(shape, context, kv),
        # One plane is read; one is written for each token, since a draft may have to be taken back.
        state=recurrent_plane_bytes(shape) * (2 + drafts),
        drafting=drafts * _draft(header, shape, context, draft_kv or kv),
    )
    return Ceiling(traffic, tokens_per_step(drafts, acceptance), gbps)


def _main_weights(header: Header, shape: ModelShape) -> float:
    """Weights of the main layers and the output matrix that one token is multiplied with."""
    return shape.weights_bytes - shape.nextn_bytes - _unused_experts(header, shape, nextn=False)


def _unused_experts(header: Header, shape: ModelShape, *, nextn: bool) -> float:
    """Bytes of the experts that one token does not use, in the main layers or in the MTP block."""
    if not shape.experts:
        return 0.0
    matches = ((EXPERTS.fullmatch(tensor.name), tensor.nbytes) for tensor in header.tensors)
    size = sum(nbytes for match, nbytes in matches if match and (int(match[1]) >= shape.layers) == nextn)
    return size * (1 - min(1.0, shape.experts_used / shape.experts))


def _kv(shape: ModelShape, context: int, kv: CacheTypes) -> float:
    """The rows that attention reads: all of the context, or those in a layer's window."""
    return sum(
        (min(context, shape.window) if layer.window else context) * layer_row_bytes(layer, kv)
        for layer in shape.cache_layers
    )


def _draft(header: Header, shape: ModelShape, context: int, kv: CacheTypes) -> float:
    """What the MTP block reads for one token: itself, an output matrix, its KV cache."""
    own = shape.nextn_bytes - _unused_experts(header, shape, nextn=True)
    return own + _draft_head(header) + shape.nextn_layers * context * kv_row_bytes(shape, kv)


def _draft_head(header: Header) -> float:
    """The main output matrix, unless the block has one of its own, which its size includes."""
    named: dict[str, Tensor] = {tensor.name: tensor for tensor in header.tensors}
    if any(OWN_HEAD.fullmatch(name) for name in named):
        return 0.0
    head = named.get("output.weight") or named.get("token_embd.weight")
    return head.nbytes if head else 0.0
