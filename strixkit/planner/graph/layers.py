"""The layers of the models, as llama.cpp's graphs compute them. Each function names the source that it follows.

`Setting.fork` decides where the ROCmFPX fork, which branched off in June 2026, differs from today's upstream.
"""

from __future__ import annotations

from dataclasses import dataclass

from strixkit.planner.graph.operations import (
    F16,
    F32,
    I64,
    given,
    graph_input,
    like,
    matmul,
    norm,
    part,
    reshape,
    result,
    store,
    turned,
)
from strixkit.planner.graph.tensor import Graph, Tensor
from strixkit.planner.run import CacheTypes, is_quantised
from strixkit.planner.shape import ModelShape, Recurrent

# Rotation of V always works on 64 x 64 (llama-kv-cache.cpp).
ROTATION = 64


@dataclass(frozen=True)
class Setting:
    """What a graph is built for.

    sequences: slots that share the batch, `tokens` in all; streams: KV caches; outputs: rows that get logits.
    states: copies of the recurrent state that a batch leaves behind.
    late_rows: all tokens go through the last layer of a qwen35, since the MTP head reads them.
    f16_copies: flash attention has room for f16 copies of K and V that are something else (upstream's HIP build).
    """

    shape: ModelShape
    fork: bool
    tokens: int
    sequences: int
    streams: int
    outputs: int
    kv: CacheTypes
    states: int
    flash_attention: bool
    late_rows: bool
    f16_copies: bool

    @property
    def each(self) -> int:
        """Tokens of one sequence."""
        return self.tokens // self.sequences


@dataclass(frozen=True)
class Cache:
    """A kind of KV cache, with the inputs that all its layers share.

    cells: tokens of one stream. A rotation is there where its side is quantised.
    """

    cells: int
    k_indices: Tensor
    v_indices: Tensor
    mask: Tensor
    k_rotation: Tensor | None
    v_rotation: Tensor | None


@dataclass(frozen=True)
class Copies:
    """Which states belong to the batch's sequences: all, those of the batch, the others (build_rs_inp)."""

    all: Tensor
    main: Tensor
    others: Tensor


def copies_input(setting: Setting) -> Copies:
    """The input, and its parts."""
    both = graph_input(setting.sequences)
    others = 0 if setting.fork else setting.sequences - 1
    return Copies(both, part(both, setting.sequences), part(both, others))


def cache_inputs(setting: Setting, cells: int) -> Cache:
    """The inputs of one cache (llama-graph.cpp: build_attn_inp_kv, build_attn_inp_kq_mask)."""
    shape = setting.shape
    lengths = (cells, setting.tokens // setting.streams, 1, setting.streams)
    mask = graph_input(*lengths, width=F16 if setting.flash_attention and not setting.fork else F32)
    if setting.flash_attention and setting.fork:
        mask = result("cpy", lengths, mask, width=F16)
    return Cache(
        cells=cells,
        k_indices=graph_input(setting.tokens, width=I64),
        v_indices=graph_input(setting.tokens * (1 if setting.flash_attention else shape.value_width), width=I64),
        mask=mask,
        k_rotation=_rotation(setting.kv.k, shape.key_length, shape.key_length & -shape.key_length),
        v_rotation=_rotation(setting.kv.v, shape.value_length, ROTATION),
    )


def _rotation(kv_type: str, length: int, size: int) -> Tensor | None:
    """A Hadamard matrix for a quantised side (llama-kv-cache.cpp: constructor)."""
    return graph_input(size, size) if is_quantised(kv_type) and length % ROTATION == 0 else None


def rotated(tensor: Tensor, rotation: Tensor | None) -> Tensor:
    """Blocks of each row times the rotation (llama-impl.h: llama_mul_mat_hadamard)."""
    if rotation is None:
        return tensor
    size = rotation.lengths[0]
    flat = reshape(tensor, size, tensor.elements // size)
    return reshape(result("mul_mat", flat.lengths, rotation, flat), *tensor.lengths)


def attention(setting: Setting, graph: Graph, cache: Cache, qkv: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Store K and V, then attend; without the output matrix (llama-graph.cpp: build_attn, build_attn_mha)."""
    shape, tokens, streams = setting.shape, setting.tokens, setting.streams
    q, k = (rotated(tensor, cache.k_rotation) for tensor in qkv[:2])
    v = rotated(qkv[2], cache.v_rotation)
    for tensor in (q, k, v) if shape.window else (q, v, k):
        graph.expand(tensor)
    keys, values = given(shape.key_width, cache.cells, streams), given(shape.value_width, cache.cells, streams)
    _store(setting, graph, keys, part(k, shape.key_width, tokens), cache.k_indices)
    _store(setting, graph, values, part(v, shape.value_width, tokens), cache.v_indices)
    each = tokens // streams
    queries = part(q, shape.key_length, shape.heads, each, streams)
    queries = turned("permute", queries, shape.key_length, each, shape.heads, streams)
    k_read = _read(keys, shape.key_length, cache.cells, shape.kv_heads, streams)
    v_read = _read(values, shape.value_length, cache.cells, shape.kv_heads, streams)
    if setting.flash_attention:
        k_read, v_read = _as_f16(setting.kv.k, k_read), _as_f16(setting.kv.v, v_read)
        lengths = (shape.value_length, shape.heads, each, streams)
        attended = result("flash_attn_ext", lengths, queries, k_read, v_read, cache.mask)
        if setting.f16_copies:
            attended.size += _copy_bytes(setting.kv.k, k_read) + _copy_bytes(setting.kv.v, v_read)
        attended = reshape(attended, shape.heads * shape.value_length, tokens)
    else:
        scores = result("mul_mat", (cache.cells, each, shape.heads, streams), k_read, queries)
        weights = like("soft_max", scores, cache.mask)
        summed = result("mul_mat", (shape.value_length, each, shape.heads, streams), v_read, weights)
        summed = turned("permute", summed, shape.value_length, shape.heads, each, streams)
        attended = result("cont", (shape.heads * shape.value_length, tokens), summed)
    return rotated(graph.expand(attended), cache.v_rotation)


def _store(setting: Setting, graph: Graph, cache: Tensor, tensor: Tensor, indices: Tensor) -> None:
    """Several streams' caches are written as one (llama-kv-cache.cpp: cpy_k, cpy_v)."""
    target = reshape(cache, *cache.lengths) if setting.streams > 1 else cache
    graph.expand(store("set_rows", target, tensor, indices))


def _read(cache: Tensor, length: int, cells: int, heads: int, streams: int) -> Tensor:
    return turned("permute", part(cache, length, heads, cells, streams), length, cells, heads, streams)


def _as_f16(kv_type: str, tensor: Tensor) -> Tensor:
    """Flash attention reads an f16 copy of an f32 cache."""
    return result("cpy", tensor.lengths, tensor, width=F16) if kv_type == "f32" else tensor


def _copy_bytes(kv_type: str, tensor: Tensor) -> int:
    """fattn.cu: ggml_cuda_flash_attn_ext_get_alloc_size; an f32 cache was copied before."""
    return 0 if kv_type in ("f16", "f32") else F16 * tensor.elements


def plain_attention(setting: Setting, graph: Graph, cache: Cache, positions: Tensor, tensor: Tensor) -> Tensor:
    """Attention of llama, qwen3 and gemma (src/models/llama.cpp, qwen3.cpp, gemma3.cpp)."""
    shape, tokens = setting.shape, setting.tokens
    q = reshape(matmul(shape.heads * shape.key_length, tensor), shape.key_length, shape.heads, tokens)
    k = reshape(matmul(shape.key_width, tensor), shape.key_length, shape.kv_heads, tokens)
    v = reshape(matmul(shape.value_width, tensor), shape.value_length, shape.kv_heads, tokens)
    if shape.architecture in ("qwen3", "qwen3moe", "gemma3"):
        q, k = norm(q), norm(k)
    q, k = like("rope", q, positions), like("rope", k, positions)
    if shape.architecture.startswith("gemma"):
        q = like("scale", q)
    return matmul(shape.embedding, attention(setting, graph, cache, (q, k, v)))


def gated_attention(setting: Setting, graph: Graph, cache: Cache, positions: Tensor, tensor: Tensor) -> Tensor:
    """Attention of qwen35: Q holds a gate as well (src/models/qwen35.cpp: build_layer_attn)."""
    shape, tokens = setting.shape, setting.tokens
    both = matmul(2 * shape.heads * shape.key_length, tensor)
    q = norm(part(both, shape.key_length, shape.heads, tokens))
    k = norm(reshape(matmul(shape.key_width, tensor), shape.key_length, shape.kv_heads, tokens))
    v = reshape(matmul(shape.value_width, tensor), shape.value_length, shape.kv_heads, tokens)
    gate = part(both, shape.key_length, shape.heads, tokens)
    gate = result("cont", (shape.heads * shape.key_length, tokens), gate)
    q, k = like("rope", q, positions), like("rope", k, positions)
    attended = attention(setting, graph, cache, (q, k, v))
    return matmul(shape.embedding, like("mul", attended, like("unary", gate)))


def feed_forward(setting: Setting, tensor: Tensor, width: int) -> Tensor:
    """Gate and up from the same input, then down (llama-graph.cpp: build_ffn)."""
    up, gate = matmul(width, tensor), matmul(width, tensor)
    return matmul(setting.shape.embedding, like("glu", gate, up))


def experts(setting: Setting, graph: Graph, tensor: Tensor) -> Tensor:
    """The best experts of each token, weighted, and the one that all use (llama-graph.cpp: build_moe_ffn)."""
    shape, used = setting.shape, setting.shape.experts_used
    tokens = tensor.elements // shape.embedding
    probabilities = like("soft_max", matmul(shape.experts, tensor))
    by_expert = reshape(probabilities, 1, shape.experts, tokens)
    chosen = part(like("argsort", probabilities), used, tokens)
    weights = reshape(result("get_rows", (1, used, tokens), by_expert, chosen), used, tokens)
    total = result("sum_rows", (1, tokens), weights)
    total = like("clamp", total)
    total.in_place = not setting.fork
    weights = graph.expand(reshape(like("div", weights, total), 1, used, tokens))
    rows = reshape(tensor, shape.embedding, 1, tokens)
    width = (shape.expert_feed_forward, used, tokens)
    up, gate = result("mul_mat_id", width, rows, chosen), result("mul_mat_id", width, rows, chosen)
    down = result("mul_mat_id", (shape.embedding, used, tokens), like("glu", gate, up), chosen)
    down = graph.expand(like("mul", down, weights))
    each = [graph.expand(part(down, shape.embedding, tokens)) for _ in range(used)]
    summed = each[0]
    for other in each[1:]:
        summed = graph.expand(like("add", summed, other))
    if used == 1:
        summed = like("cont", summed)
    if not shape.shared_feed_forward:
        return summed
    shared = feed_forward(setting, tensor, shape.shared_feed_forward)
    return like("add", summed, like("mul", shared, like("unary", matmul(1, tensor))))


def states(setting: Setting, graph: Graph, copies: Copies, cache: Tensor, elements: int) -> Tensor:
    """The states of the batch's sequences, gathered from the cache (llama-graph.cpp: build_rs)."""
    rows = _cleared(graph, cache, elements)
    if setting.fork:
        found = graph.expand(result("get_rows", (elements, setting.sequences), rows, copies.main))
        others = result("get_rows", (elements, 0), rows, copies.others)
    else:
        gathered = result("get_rows", (elements, setting.sequences), rows, copies.all)
        found = graph.expand(part(gathered, elements, setting.sequences))
        others = part(gathered, elements, 0)
    graph.expand(store("cpy", part(cache, elements, 0), others))
    return found


def _cleared(graph: Graph, cache: Tensor, elements: int) -> Tensor:
    """All states, after a new sequence's is set to zero."""
    rows = reshape(cache, elements)
    zero = part(rows, 0)
    graph.expand(Tensor("scale", (), (zero,), base=cache))
    return rows


def convolution(setting: Setting, graph: Graph, before: Tensor, cache: Tensor, tensor: Tensor) -> Tensor:
    """The inputs before the batch's, then the batch's (src/models/delta-net-base.cpp: build_conv_state)."""
    mixer = setting.shape.recurrent
    assert mixer is not None
    kept, channels, sequences = mixer.conv_kernel - 1, mixer.conv_channels, setting.sequences
    joined = result(
        "concat",
        (kept + setting.each, channels, sequences),
        reshape(before, kept, channels, sequences),
        turned("transpose", tensor, setting.each, channels, sequences),
    )
    for _ in range(setting.states):
        last = part(joined, kept, channels, sequences)
        graph.expand(store("cpy", part(cache, mixer.conv_elements), last))
    return result("ssm_conv", (channels, setting.each, sequences), joined)


def delta_net(setting: Setting, graph: Graph, copies: Copies, mixer: Recurrent, tensor: Tensor) -> Tensor:
    """Gated DeltaNet (src/models/qwen35.cpp: build_layer_attn_linear)."""
    heads, length = mixer.value_heads, mixer.inner // mixer.value_heads
    each, sequences = setting.each, setting.sequences
    r_cache, s_cache = given(mixer.conv_elements), given(mixer.state_elements)
    mixed = reshape(matmul(mixer.conv_channels, tensor), mixer.conv_channels, each, sequences)
    z = matmul(mixer.inner, tensor)
    beta = like("unary", reshape(matmul(heads, tensor), 1, heads, each, sequences))
    alpha = like("add", reshape(matmul(heads, tensor), heads, each, sequences))
    decay = reshape(like("mul", like("unary", alpha)), 1, heads, each, sequences)
    before = states(setting, graph, copies, r_cache, mixer.conv_elements)
    convolved = like("unary", convolution(setting, graph, before, r_cache, mixed))
    state = states(setting, graph, copies, s_cache, mixer.state_elements)
    state = reshape(state, length, length, heads, sequences)
    q = _unit(setting, part(convolved, mixer.state, mixer.groups, each, sequences))
    k = _unit(setting, part(convolved, mixer.state, mixer.groups, each, sequences))
    v = part(convolved, length, heads, each, sequences)
    rows = setting.tokens + setting.states * length * sequences
    net = result("gated_delta_net", (length * heads, rows), q, k, v, decay, beta, state)
    output = part(net, length, heads, each, sequences)
    graph.expand(store("cpy", part(s_cache, mixer.state_elements), part(net, mixer.state_elements, sequences)))
    output = like("mul", norm(output), like("unary", reshape(z, length, heads, each, sequences)))
    output = matmul(setting.shape.embedding, reshape(output, mixer.inner, each, sequences))
    return reshape(output, setting.shape.embedding, setting.tokens)


def _unit(setting: Setting, tensor: Tensor) -> Tensor:
    """Scaled to length 1: the fork in one operation, upstream in two (src/models/models.h: build_gdn_l2_norm)."""
    return like("l2_norm", tensor) if setting.fork else like("scale", like("rms_norm", tensor))


def mamba2(setting: Setting, graph: Graph, copies: Copies, mixer: Recurrent, tensor: Tensor) -> Tensor:
    """src/models/mamba-base.cpp: build_mamba2_layer."""
    heads, length = mixer.value_heads, mixer.inner // mixer.value_heads
    each, sequences = setting.each, setting.sequences
    r_cache, s_cache = given(mixer.conv_elements), given(mixer.state_elements)
    before = states(setting, graph, copies, r_cache, mixer.conv_elements)
    projected = matmul(mixer.inner + mixer.conv_channels + heads, tensor)
    projected = reshape(projected, mixer.inner + mixer.conv_channels + heads, each, sequences)
    z = part(projected, length, heads, each, sequences)
    xbc = part(projected, mixer.conv_channels, each, sequences)
    dt = like("add", like("cont", part(projected, heads, each, sequences)))
    convolved = like("unary", like("add", convolution(setting, graph, before, r_cache, xbc)))
    x = part(convolved, length, heads, each, sequences)
    b = part(convolved, mixer.state, mixer.groups, each, sequences)
    c = part(convolved, mixer.state, mixer.groups, each, sequences)
    rows = _cleared(graph, s_cache, mixer.state_elements)
    size = x.elements + setting.states * mixer.state_elements * sequences
    scan = graph.expand(result("ssm_scan", (size,), reshape(rows, mixer.state_elements), x, dt, b, c, copies.main))
    gathered = result("get_rows", (mixer.state_elements, copies.others.elements), rows, copies.others)
    gathered = gathered if setting.fork else part(gathered, mixer.state_elements, 0)
    graph.expand(store("cpy", part(s_cache, 0), gathered))
    graph.expand(store("cpy", part(s_cache, mixer.state_elements), part(scan, mixer.state_elements, sequences)))
    y = like("add", part(scan, length, heads, each, sequences), like("mul", x))
    y = like("glu", like("cont", z), y)
    y = norm(reshape(y, mixer.inner // mixer.groups, mixer.groups, each, sequences))
    return matmul(setting.shape.embedding, reshape(y, mixer.inner, setting.tokens))
