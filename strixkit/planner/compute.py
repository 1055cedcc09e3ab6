"""Compute buffers of llama-server, in bytes.

llama.cpp reserves them for the largest batch: it builds the graph and lets ggml place its tensors (llama-context.cpp:
sched_reserve). This is done here over again (strixkit/planner/graph), so the sizes are those that the server logs.
The measured families and the errors are in docs/memory.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from strixkit.planner.graph.arena import ENDLESS, Arena
from strixkit.planner.graph.buffers import AnyContext, Sizes
from strixkit.planner.graph.layers import Setting
from strixkit.planner.graph.lifetimes import split
from strixkit.planner.graph.models import draft_graph, main_graph
from strixkit.planner.graph.tensor import Graph
from strixkit.planner.graph.vulkan_order import FORK, UPSTREAM, Order, vulkan_order
from strixkit.planner.memory import window_cells
from strixkit.planner.run import CacheTypes, Run, is_quantised, round_up
from strixkit.planner.shape import ModelShape

Backend = Literal["vulkan", "hip", "cpu"]
Which = Literal["main", "draft", "draft that samples"]

# Alignment of tensors on the device, and in the host memory that it reads (each backend's get_alignment).
# Vulkan's are lavapipe's; RADV's are 4 and 4096, some 20 KiB more on the host.
ALIGNMENTS = {"vulkan": (16, 64), "hip": (128, 32), "cpu": (32, 32)}
# Vulkan allocates at most this at once (ggml-vulkan.cpp: suballocation_block_size).
VULKAN_LARGEST = 1 << 30


def exact(shape: ModelShape, run: Run) -> bool:
    """Whether the sizes are those that the server logs.

    Not for graphs that nobody compared. Not on HIP with K and V of different types: it has no flash attention for them,
    and the CPU does it. Not for upstream's HIP build: what its flash attention copies depends on the GPU, and it holds
    inputs of what it fuses for longer.
    """
    mixed = run.kv.mixed or (run.drafts and run.draft_kv.mixed)
    return shape.known and not (run.hip and (run.family == "upstream" or mixed))


def target_device_bytes(shape: ModelShape, run: Run) -> int:
    """Device compute buffer of the main context, as reserved at the start; 0 without a device."""
    return _main(shape, run, late_rows=run.family == "rocmfp4").device


def target_running_bytes(shape: ModelShape, run: Run) -> int:
    """The same after the first prompt: while drafting, all rows go through the last layer."""
    start = target_device_bytes(shape, run)
    return max(start, _main(shape, run, late_rows=True).device) if run.drafts else start


def target_host_bytes(shape: ModelShape, run: Run) -> int:
    """Host compute buffer of the main context: the KQ mask and the other inputs."""
    return _main(shape, run, late_rows=run.family == "rocmfp4").host


def draft_device_bytes(shape: ModelShape, run: Run) -> int:
    """Device compute buffer of the draft context, as reserved when the server is ready."""
    return _draft(shape, run, samples=run.family == "upstream").device


def draft_running_bytes(shape: ModelShape, run: Run) -> int:
    """The same once drafting: at the first draft the fork reserves again, with the sampler."""
    return max(draft_device_bytes(shape, run), _draft(shape, run, samples=True).device)


def draft_host_bytes(shape: ModelShape, run: Run) -> int:
    """Host compute buffer of the draft context."""
    return _draft(shape, run, samples=run.family == "upstream").host


def _main(shape: ModelShape, run: Run, *, late_rows: bool) -> Sizes:
    """The fork has room for logits of all tokens, upstream for those that a draft may need (n_outputs_max)."""
    tokens = _tokens(run)
    outputs = tokens if run.family == "rocmfp4" else min(tokens, run.parallel * run.planes)
    setting = _setting(shape, run, run.kv, outputs, late_rows)
    return _sizes("main", setting, run.sequence, window_cells(shape, run), _backend(run))


def _draft(shape: ModelShape, run: Run, *, samples: bool) -> Sizes:
    outputs = _tokens(run) if run.family == "rocmfp4" else run.parallel
    setting = _setting(shape, run, run.draft_kv, outputs, True)
    return _sizes("draft that samples" if samples else "draft", setting, run.sequence, 0, _backend(run))


def _tokens(run: Run) -> int:
    """Tokens of the largest batch: as many for each slot (llama-context.cpp: graph_reserve)."""
    return round_up(run.micro_tokens, run.parallel)


def _backend(run: Run) -> Backend:
    if run.cpu:
        return "cpu"
    return "hip" if run.hip else "vulkan"


def _setting(shape: ModelShape, run: Run, kv: CacheTypes, outputs: int, late_rows: bool) -> Setting:
    return Setting(
        shape=shape,
        fork=run.family == "rocmfp4",
        tokens=_tokens(run),
        sequences=run.parallel,
        streams=run.streams,
        outputs=outputs,
        kv=CacheTypes(_alike(kv.k), _alike(kv.v)),
        states=run.planes,
        flash_attention=run.flash_attention,
        late_rows=late_rows,
        f16_copies=_backend(run) == "hip" and run.family == "upstream",
    )


def _alike(kv_type: str) -> str:
    """All quantised types make the same graph."""
    return "q8_0" if is_quantised(kv_type) else kv_type


@lru_cache(maxsize=1 << 16)
def _sizes(which: Which, setting: Setting, cells: int, window: int, backend: Backend) -> Sizes:
    device, host = ALIGNMENTS[backend]
    found = _any_context(which, setting, window, backend)
    if backend == "cpu":
        only = Arena(host)
        return found.sizes(cells, only, only)
    return found.sizes(cells, Arena(device, VULKAN_LARGEST if backend == "vulkan" else ENDLESS), Arena(host))


@lru_cache(maxsize=1 << 12)
def _any_context(which: Which, setting: Setting, window: int, backend: Backend) -> AnyContext:
    # Lengths play no part in the order.
    structure = replace(setting, tokens=1, sequences=1, outputs=1, streams=min(setting.streams, 2))
    order = _vulkan_order(which, structure) if backend == "vulkan" else None
    return AnyContext(lambda cells: _graph(which, setting, cells, window), order, device=backend != "cpu")


@lru_cache(maxsize=1 << 8)
def _vulkan_order(which: Which, setting: Setting) -> Order:
    _, _, nodes = split(_graph(which, setting, 1, 1))
    return vulkan_order(nodes, FORK if setting.fork else UPSTREAM)


def _graph(which: Which, setting: Setting, cells: int, window: int) -> Graph:
    if which == "main":
        return main_graph(setting, cells, window)
    return draft_graph(setting, cells, samples=which == "draft that samples")
