"""What the buffers of a llama-server take, in bytes.

Read from llama.cpp's source (each formula names its place) and checked against the logs of real servers and
dry runs of the real binaries with a 27B's header: KV, recurrent state, output and checkpoints agree to the
last digit of the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from strixkit.planner.run import CacheTypes, Run, is_quantised, row_bytes
from strixkit.planner.shape import ModelShape

# Saved with each token of a KV cache: position and sequence (llama-kv-cache.cpp: state_write).
CELL_BYTES = 20
# Of the fork's checkpoints: tokens of a prompt behind the last, and between two (or in the prompt of the first).
LAST_TOKENS = 4
CHECKPOINT_SPACING = 64


@dataclass(frozen=True)
class CheckpointSize:
    """Bytes of a checkpoint of no tokens, and what each token adds."""

    fixed_bytes: float
    token_bytes: float


def weights_bytes(shape: ModelShape, run: Run) -> int:
    """Weights on the device. Upstream loads the MTP block only for drafting, the fork always."""
    if run.family == "upstream" and not run.drafts:
        return shape.weights_bytes - shape.nextn_bytes
    return shape.weights_bytes


def kv_bytes(shape: ModelShape, run: Run) -> float:
    """Main KV cache: only attention layers have one (llama-kv-cache.cpp)."""
    return shape.attention_layers * run.total_context * kv_row_bytes(shape, run.kv)


def draft_kv_bytes(shape: ModelShape, run: Run) -> float:
    """KV cache of the MTP context: same context and slots as the main one."""
    return shape.nextn_layers * run.total_context * kv_row_bytes(shape, run.draft_kv)


def kv_row_bytes(shape: ModelShape, types: CacheTypes) -> float:
    """K and V of one token in one layer."""
    return row_bytes(types.k, shape.key_width) + row_bytes(types.v, shape.value_width)


def recurrent_plane_bytes(shape: ModelShape) -> int:
    """Recurrent state of one sequence, without the copies for drafting (llama-hparams.cpp: n_embd_r, _s)."""
    mixer = shape.recurrent
    if mixer is None:
        return 0
    layer = (mixer.conv_kernel - 1) * mixer.conv_channels + mixer.state * mixer.inner
    return shape.recurrent_layers * 4 * layer


def output_start_bytes(shape: ModelShape, run: Run) -> int:
    """Output buffer of one context when the server is ready."""
    return 4 * shape.vocabulary * run.parallel


def output_running_bytes(shape: ModelShape, run: Run) -> int:
    """Output buffers of all contexts after the first long prompt; no log line tells.

    With MTP the fork makes every prompt token an output row, upstream only its embedding.
    """
    if not run.drafts:
        return output_start_bytes(shape, run)
    draft = 4 * run.parallel * (4 * shape.vocabulary + shape.embedding + 1)
    if run.family == "rocmfp4":
        return 4 * run.batch_tokens * (shape.vocabulary + shape.embedding) + draft
    rows = shape.vocabulary * run.parallel * run.planes
    return 4 * (rows + shape.embedding * run.batch_tokens) + draft


def checkpoint_bytes(shape: ModelShape, run: Run, tokens: int) -> float:
    """One context checkpoint after `tokens` tokens (server-context.cpp: create_checkpoint).

    One plane of the recurrent state, and in the fork the draft's whole KV so far; a model without recurrent
    layers needs none. Upstream since 0.7.0 leaves the draft out.
    """
    if shape.recurrent is None:
        return 0
    return recurrent_plane_bytes(shape) + (_draft_state_bytes(shape, run, tokens) if run.family == "rocmfp4" else 0)


def checkpoint_size(shape: ModelShape, run: Run) -> CheckpointSize:
    """The size of a context checkpoint by the tokens before it; see `checkpoint_bytes`."""
    fixed = checkpoint_bytes(shape, run, 0)
    return CheckpointSize(fixed, checkpoint_bytes(shape, run, 1) - fixed)


def checkpoint_positions(run: Run) -> list[int]:
    """Where the fork keeps checkpoints after one prompt that fills a slot: tokens before each.

    They are made between logical batches: when the last is at least `checkpoint_every` tokens behind, and in the last
    micro batch of the prompt, for which it makes two borders; the oldest go first (server-context.cpp: update_slots,
    create_checkpoint). Equal to what the fork's server did, for these and other settings: tests/data/checkpoints.
    """
    if not run.checkpoints:
        return []
    prompt, batch, micro = run.sequence, run.batch_tokens, run.micro_tokens
    borders = [prompt - min(batch, rest) for rest in (LAST_TOKENS + micro, LAST_TOKENS)]
    made: list[int] = []
    start = 0
    while start < prompt:
        end = min(start + batch, prompt, *(border for border in borders if border > start))
        behind = start - made[-1] if made else start
        apart = behind > CHECKPOINT_SPACING if made else start > 0 and end >= CHECKPOINT_SPACING
        if apart and (prompt < end + micro or behind >= run.checkpoint_every):
            made.append(start)
        start = end
    return made[-run.checkpoints :]


def prompt_state_bytes(shape: ModelShape, run: Run) -> float:
    """One full conversation in the prompt cache, without its checkpoints."""
    tokens = run.sequence
    main = shape.attention_layers * kv_row_bytes(shape, run.kv) + CELL_BYTES
    return recurrent_plane_bytes(shape) + tokens * main + _draft_state_bytes(shape, run, tokens)


def f16_pool_bytes(shape: ModelShape, run: Run) -> float:
    """The f16 copies of a quantised K and V in the fork's HIP build.

    They lie in a pool that grows by 1.05 and frees nothing (ggml-cuda.cu: ggml_cuda_pool_leg): this is the
    sum of all its sizes, 21 times the last. A simulation gave 3 % less at 262144 tokens. Fixed in upstream.
    A pool holds one layer at a time. Each context has its own: the draft's is read in the source, not measured.
    """
    if not (run.family == "rocmfp4" and run.hip):
        return 0
    caches = (run.kv, run.draft_kv) if run.drafts else (run.kv,)
    sides = [side for cache in caches for side in ((cache.k, shape.key_width), (cache.v, shape.value_width))]
    copied = sum(row_bytes("f16", width) for kv_type, width in sides if is_quantised(kv_type))
    return 21 * run.total_context * copied


def _draft_state_bytes(shape: ModelShape, run: Run, tokens: int) -> float:
    if not run.drafts:
        return 0
    return tokens * (shape.nextn_layers * kv_row_bytes(shape, run.draft_kv) + CELL_BYTES)
