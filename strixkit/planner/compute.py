"""Compute buffers of llama-server, in bytes: closed forms for the fork and for today's upstream.

Derived from llama.cpp's graphs (llm_build_qwen35 and llama_context::graph_reserve) and checked against dry
runs of the real binaries: host sizes are exact; device sizes of a 27B are within 60 MiB for micro batches up
to 256, and may be too small above (the fork's Vulkan build then allocates in blocks of 1 GiB).
"""

from __future__ import annotations

from strixkit.planner.run import CacheTypes, Run, is_quantised
from strixkit.planner.shape import ModelShape

# Rotation of V always works on 64 x 64 (llama-kv-cache.cpp).
ROTATION = 64


def target_device_bytes(shape: ModelShape, run: Run) -> float:
    """Device compute buffer of the main context, as reserved at the start."""
    return _device(shape, run, run.kv, draft=False)


def draft_device_bytes(shape: ModelShape, run: Run) -> float:
    """Device compute buffer of the draft context, as reserved at the start."""
    return _device(shape, run, run.draft_kv, draft=True)


def draft_running_bytes(shape: ModelShape, run: Run) -> float:
    """The same once drafting: at the first draft the fork reserves again, with the sampler."""
    start = draft_device_bytes(shape, run)
    if run.family == "upstream":
        return start
    tokens = run.micro_tokens
    with_sampler = 4 * tokens * (2 * shape.vocabulary + 2 * shape.embedding) + 4 * shape.vocabulary * run.parallel
    return max(start, with_sampler)


def target_host_bytes(shape: ModelShape, run: Run) -> float:
    """Host compute buffer of the main context: the KQ mask and the inputs. Exact with flash attention."""
    mask, inputs = (4, 8) if run.family == "rocmfp4" else (2, 16)
    size = mask * run.sequence * run.micro_tokens + inputs * shape.embedding * run.micro_tokens
    return size + rotation_bytes(shape, run.kv)


def draft_host_bytes(shape: ModelShape, run: Run) -> float:
    """Host compute buffer of the draft context. Exact with flash attention."""
    mask = 4 if run.family == "rocmfp4" else 2
    size = mask * run.sequence * run.micro_tokens + 8 * shape.embedding * run.micro_tokens
    return size + rotation_bytes(shape, run.draft_kv)


def rotation_bytes(shape: ModelShape, types: CacheTypes) -> int:
    """Hadamard matrices of each quantised side: the largest power of two in the head length for K, and 64 for V."""
    largest = shape.key_length & -shape.key_length
    k = 4 * largest**2 if is_quantised(types.k) and shape.key_length % ROTATION == 0 else 0
    v = 4 * ROTATION**2 if is_quantised(types.v) and shape.value_length % ROTATION == 0 else 0
    return k + v


def _device(shape: ModelShape, run: Run, types: CacheTypes, *, draft: bool) -> float:
    if run.family == "rocmfp4":
        size = _fork_device(shape, run, quantised=types.quantised)
    elif draft:
        size = _upstream_draft_device(shape, run)
    else:
        size = _upstream_device(shape, run, quantised=types.quantised)
    if not run.flash_attention:
        # KQ of all heads in f32; not checked against a server.
        size += 4 * run.sequence * run.micro_tokens * shape.heads
    return size + rotation_bytes(shape, types)


def _fork_device(shape: ModelShape, run: Run, *, quantised: bool) -> float:
    tokens = run.micro_tokens
    logits = 4 * tokens * (shape.vocabulary + 2 * shape.embedding)
    head_rows = (4 if quantised else 3) * shape.heads * shape.key_length
    vulkan_rows = 0 if run.hip else shape.key_width + shape.value_width
    attention = 6 * run.sequence * tokens + 4 * tokens * (2 * shape.embedding + head_rows + vulkan_rows)
    return max(logits, attention)


def _upstream_device(shape: ModelShape, run: Run, *, quantised: bool) -> float:
    tokens = run.micro_tokens
    embedding = shape.embedding
    stages = [4 * tokens * (3 * shape.feed_forward + 4 * embedding)]
    if shape.recurrent:
        mixer = shape.recurrent
        rows = 4 * embedding + 2 * mixer.conv_channels + 2 * mixer.inner
        states = 4 * run.parallel * mixer.state * mixer.inner * (1 + run.planes)
        stages.append(4 * tokens * rows + states)
    if quantised and run.hip:
        copies = 2 * run.total_context * (shape.key_width + shape.value_width)
        stages.append(copies + 4 * tokens * (4 * embedding + 5 * shape.heads * shape.key_length))
    scratch = 4 * tokens * embedding if quantised and not run.hip else 0
    return 2 * run.sequence * tokens + max(stages) + scratch


def _upstream_draft_device(shape: ModelShape, run: Run) -> float:
    tokens = run.micro_tokens
    mask = 2 * run.sequence * tokens
    forward = 4 * tokens * (3 * shape.feed_forward + 2 * shape.embedding) + min(mask, 16384 * tokens)
    vulkan_rows = 0 if run.hip else shape.key_width + shape.value_width
    rows = 2 * shape.embedding + 4 * shape.heads * shape.key_length + vulkan_rows
    return max(forward, mask + 4 * tokens * rows)
