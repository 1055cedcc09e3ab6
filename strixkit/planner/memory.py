"""What the buffers of a llama-server take, in bytes.

Read from llama.cpp's source (each formula names its place) and checked against the logs of real servers and
dry runs of the real binaries with a 27B's header: KV, recurrent state, output and checkpoints agree to the
last digit of the log.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from strixkit.planner.run import CacheTypes, Run, is_quantised, round_up, row_bytes
from strixkit.planner.shape import CacheLayer, ModelShape
from strixkit.planner.weights import HIP_ALIGNMENT, HIP_ROW

# Saved with each token of a KV cache (llama-kv-cache.cpp: state_write_meta): position, number of sequences, sequence;
# and for models whose positions have several coordinates, two of them more, and upstream the token (llama-kv-cells.h).
CELL_BYTES = 12
CELL_EXTENSION_BYTES = {"rocmfp4": 8, "upstream": 12}
# Before the rows of each tensor of a saved state: its type and the size of a row.
ROW_HEADER_BYTES = 12
# Before everything else of one cache or of the recurrent states: counts of streams and cells, layout, layers.
STATE_HEADER_BYTES = 20
# Window caches are padded (llama-kv-cache-iswa.cpp: issue 17037).
WINDOW_STEP = 256
# Of the fork's checkpoints: tokens of a prompt behind the last, and between two (or in the prompt of the first).
LAST_TOKENS = 4
CHECKPOINT_SPACING = 64


@dataclass(frozen=True)
class CheckpointSize:
    """Bytes of a checkpoint of no tokens, and what each token adds; in a sliding window the first `window_tokens`."""

    fixed_bytes: float
    token_bytes: float
    window_tokens: int = 0
    window_token_bytes: float = 0.0

    def at(self, tokens: int) -> float:
        """Bytes of a checkpoint after so many tokens."""
        return self.fixed_bytes + tokens * self.token_bytes + min(tokens, self.window_tokens) * self.window_token_bytes


def weights_bytes(shape: ModelShape, run: Run) -> int:
    """Weights on the device. Upstream loads the MTP block only for drafting, the fork always.

    Without a device they are in host memory, and an output matrix that is the token embedding is not there twice.
    """
    size = shape.weights_bytes
    if run.family == "upstream" and not run.drafts:
        size -= shape.nextn_bytes
    if run.cpu:
        return size - shape.token_embedding_bytes if shape.tied else size
    return size + (shape.hip_padding_bytes if run.hip else 0)


def kv_bytes(shape: ModelShape, run: Run) -> float:
    """Main KV caches: only layers that attend have one, and those with a window a shorter one (llama-kv-cache.cpp)."""
    if not shape.caches:
        return shape.attention_layers * _cache_bytes(run, run.total_context, shape.widest_cache, run.kv)
    full, window = run.total_context, window_cells(shape, run) * run.streams
    return sum(_cache_bytes(run, window if layer.window else full, layer, run.kv) for layer in shape.caches)


def _cache_bytes(run: Run, cells: int, layer: CacheLayer, types: CacheTypes) -> float:
    """K and V of one layer. HIP aligns each, and pads it to whole rows if it is quantised, as it does with weights."""
    if not run.hip or run.cpu:
        return cells * layer_row_bytes(layer, types)
    sides = ((types.k, layer.key_width), (types.v, layer.value_width))
    return sum(round_up(math.ceil(cells * row_bytes(*side) + _hip_padding(*side)), HIP_ALIGNMENT) for side in sides)


def _hip_padding(kv_type: str, width: int) -> float:
    return row_bytes(kv_type, -width % HIP_ROW) if is_quantised(kv_type) else 0


def window_cells(shape: ModelShape, run: Run) -> int:
    """Tokens of one stream's cache with a sliding window (llama-kv-cache-iswa.cpp: constructor)."""
    sequences = run.parallel if run.unified else 1
    return round_up(min(run.sequence, shape.window * sequences + run.micro_tokens), WINDOW_STEP)


def draft_kv_bytes(shape: ModelShape, run: Run) -> float:
    """KV cache of the MTP context: same context and slots as the main one."""
    return shape.nextn_layers * _cache_bytes(run, run.total_context, shape.widest_cache, run.draft_kv)


def kv_row_bytes(shape: ModelShape, types: CacheTypes) -> float:
    """K and V of one token in one layer, the widest."""
    return row_bytes(types.k, shape.key_width) + row_bytes(types.v, shape.value_width)


def layer_row_bytes(layer: CacheLayer, types: CacheTypes) -> float:
    """K and V of one token in this layer."""
    return row_bytes(types.k, layer.key_width) + row_bytes(types.v, layer.value_width)


def recurrent_plane_bytes(shape: ModelShape) -> int:
    """Recurrent state of one sequence, without the copies for drafting (llama-hparams.cpp: n_embd_r, _s)."""
    mixer = shape.recurrent
    if mixer is None:
        return 0
    return shape.recurrent_layers * 4 * (mixer.conv_elements + mixer.state_elements)


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


def has_checkpoints(shape: ModelShape) -> bool:
    """Whether the server makes any: only what cannot be taken back token by token needs them."""
    return shape.recurrent is not None or shape.window > 0


def checkpoint_bytes(shape: ModelShape, run: Run, tokens: int) -> float:
    """One context checkpoint after `tokens` tokens (server-context.cpp: create_checkpoint).

    One plane of the recurrent state, and the tokens in the windows; in the fork also the draft's whole KV so far,
    which upstream leaves out since 0.7.0.
    """
    if not has_checkpoints(shape):
        return 0
    draft = _draft_state_bytes(shape, run, tokens) if run.family == "rocmfp4" else 0
    return _recurrent_state_bytes(shape) + _window_state_bytes(shape, run, tokens) + draft


def checkpoint_size(shape: ModelShape, run: Run) -> CheckpointSize:
    """The size of a context checkpoint by the tokens before it; see `checkpoint_bytes`."""
    fixed, one = (checkpoint_bytes(shape, run, tokens) for tokens in (0, 1))
    in_window = _window_state_bytes(shape, run, 1) - _window_state_bytes(shape, run, 0)
    return CheckpointSize(fixed, one - fixed - in_window, _window_tokens(shape, run), in_window)


def checkpoint_positions(run: Run) -> list[int]:
    """Where the fork keeps checkpoints after one prompt that fills a slot: tokens before each.

    They are made between logical batches: when the last is at least `checkpoint_every` tokens behind, and in the last
    micro batch of the prompt, for which it makes two borders; the oldest go first (server-context.cpp: update_slots,
    create_checkpoint). Equal to what the fork's server did, for these and other settings: tests/data/checkpoints.
    """
    if not run.checkpoints:
        return []
    made = _checkpoints_made(run.sequence, run.batch_tokens, run.micro_tokens, run.checkpoint_every)
    return list(made[-run.checkpoints :])


@lru_cache(maxsize=1 << 12)
def _checkpoints_made(prompt: int, batch: int, micro: int, every: int) -> tuple[int, ...]:
    """All that a prompt of so many tokens makes, also those that later ones replace."""
    borders = [prompt - min(batch, rest) for rest in (LAST_TOKENS + micro, LAST_TOKENS)]
    made: list[int] = []
    start = 0
    while start < prompt:
        end = min(start + batch, prompt, *(border for border in borders if border > start))
        behind = start - made[-1] if made else start
        apart = behind > CHECKPOINT_SPACING if made else start > 0 and end >= CHECKPOINT_SPACING
        if apart and (prompt < end + micro or behind >= every):
            made.append(start)
        start = end
    return tuple(made)


def prompt_state_bytes(shape: ModelShape, run: Run, tokens: int | None = None) -> float:
    """One conversation in the prompt cache, without its checkpoints; `tokens` None: one that fills a slot."""
    tokens = run.sequence if tokens is None else tokens
    full = [layer_row_bytes(layer, run.kv) for layer in shape.cache_layers if not layer.window]
    # Beside windows there is always a cache without one, be it of no layers.
    main = _cells_bytes(shape, run, full, tokens) if full or shape.window else 0
    rest = _recurrent_state_bytes(shape) + _window_state_bytes(shape, run, tokens)
    return main + rest + _draft_state_bytes(shape, run, tokens)


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
    return _cells_bytes(shape, run, [kv_row_bytes(shape, run.draft_kv)] * shape.nextn_layers, tokens)


def _recurrent_state_bytes(shape: ModelShape) -> int:
    """One sequence's state as it is saved (llama-memory-recurrent.cpp: state_write)."""
    if not shape.recurrent_layers:
        return 0
    headers = STATE_HEADER_BYTES + 2 * ROW_HEADER_BYTES * shape.recurrent_layers
    return recurrent_plane_bytes(shape) + headers


def _window_state_bytes(shape: ModelShape, run: Run, tokens: int) -> float:
    """Tokens in the windows' caches, as they are saved (llama-kv-cache-iswa.cpp: state_write).

    The fork saves all that are there, upstream those that the window still sees.
    """
    rows = [layer_row_bytes(layer, run.kv) for layer in shape.cache_layers if layer.window]
    if not rows:
        return 0
    return _cells_bytes(shape, run, rows, min(tokens, _window_tokens(shape, run)))


def _window_tokens(shape: ModelShape, run: Run) -> int:
    if not shape.window:
        return 0
    return window_cells(shape, run) if run.family == "rocmfp4" else shape.window


def _cells_bytes(shape: ModelShape, run: Run, rows: list[float], tokens: int) -> float:
    """Tokens of a KV cache with layers of these row sizes, as they are saved (llama-kv-cache.cpp: state_write)."""
    cell = CELL_BYTES + (CELL_EXTENSION_BYTES[run.family] if shape.coordinates > 1 else 0)
    headers = STATE_HEADER_BYTES + 4 * run.streams + 2 * ROW_HEADER_BYTES * len(rows)
    return headers + tokens * (cell + sum(rows))
