"""Whole graphs: what a server reserves its compute buffers for (llama-context.cpp: graph_reserve)."""

from __future__ import annotations

from dataclasses import dataclass

from strixkit.planner.graph import layers
from strixkit.planner.graph.layers import Cache, Setting
from strixkit.planner.graph.operations import graph_input, kept, like, matmul, norm, result
from strixkit.planner.graph.tensor import Graph, Tensor
from strixkit.planner.layer_kinds import LayerKind

I64 = 8
# Groups of layers repeat, and after a few of them so does the place of everything in the buffer: every group, or every
# second or third. So of many groups as many are left out as are a multiple of six.
FIRST_GROUPS, REPEAT = 4, 6


@dataclass(frozen=True)
class Model:
    """A graph as it grows, and what its layers share."""

    setting: Setting
    graph: Graph
    positions: Tensor
    rows: Tensor
    full: Cache
    window: Cache | None
    copies: layers.Copies


def main_graph(setting: Setting, cells: int, window_cells: int) -> Graph:
    """The graph of the main model (src/models/*.cpp: graph). Cells: tokens of one stream's cache."""
    shape = setting.shape
    graph = Graph()
    hidden = _embeddings(setting, graph)
    model = Model(
        setting=setting,
        graph=graph,
        positions=graph_input(shape.coordinates * setting.tokens),
        rows=graph_input(setting.outputs),
        full=layers.cache_inputs(setting, cells),
        window=layers.cache_inputs(setting, window_cells) if shape.window else None,
        copies=layers.copies_input(setting),
    )
    kinds = enough(shape.layer_kinds)
    late = setting.late_rows and shape.architecture.startswith("qwen35")
    for number, kind in enumerate(kinds):
        last = number == len(kinds) - 1
        hidden = _layer(model, kind, hidden, model.rows if last and not late else None)
    hidden = kept(norm(hidden))
    if late:
        hidden = kept(result("get_rows", (shape.embedding, setting.outputs), hidden, model.rows))
    logits = matmul(shape.vocabulary, hidden)
    if shape.architecture == "gemma2":
        logits = like("scale", like("unary", like("scale", logits)))
    graph.expand(kept(logits))
    return graph


def enough(kinds: tuple[LayerKind, ...]) -> tuple[LayerKind, ...]:
    """As many layers as need the same memory as all of them."""
    group = next(size for size in range(1, len(kinds) + 1) if kinds[size:] == kinds[:-size] or size == len(kinds))
    groups, rest = divmod(len(kinds), group)
    if groups > FIRST_GROUPS:
        groups = FIRST_GROUPS + (groups - FIRST_GROUPS) % REPEAT
    return kinds[: groups * group] + kinds[:rest]


def draft_graph(setting: Setting, cells: int, *, samples: bool) -> Graph:
    """The graph of the MTP head (src/models/qwen35.cpp: graph_mtp); where it samples, with a row more of logits."""
    shape, tokens = setting.shape, setting.tokens
    graph = Graph()
    embedded = _row_lookup(setting)
    before = graph_input(shape.embedding, tokens)
    cache = layers.cache_inputs(setting, cells)
    h_norm, e_norm = norm(before), norm(embedded)
    joined = result("concat", (2 * shape.embedding, tokens), e_norm, h_norm)
    start = matmul(shape.embedding, joined)
    positions = graph_input(shape.coordinates * tokens)
    hidden = layers.gated_attention(setting, graph, cache, positions, norm(start))
    hidden = like("add", hidden, start)
    rest = norm(hidden)
    hidden = kept(norm(like("add", _feed_forward(setting, graph, rest), hidden)))
    hidden = result("get_rows", (shape.embedding, setting.outputs), hidden, graph_input(setting.outputs))
    logits = graph.expand(kept(matmul(shape.vocabulary, hidden)))
    if samples:
        graph.expand(result("pad", (shape.vocabulary, setting.outputs + 1), logits))
    return graph


def _row_lookup(setting: Setting) -> Tensor:
    """Rows of the token embedding, which stays on the host."""
    lengths = (setting.shape.embedding, setting.tokens)
    return Tensor("get_rows", lengths, (graph_input(setting.tokens),), host=True)


def _embeddings(setting: Setting, graph: Graph) -> Tensor:
    """The ways to get embeddings, all of which have room in the graph (llama-graph.cpp: build_inp_embd)."""
    shape, tokens = setting.shape, setting.tokens
    hidden = graph.expand(_row_lookup(setting))
    graph.expand(graph_input(shape.embedding, tokens))
    if not setting.fork:
        copy = like("dup", graph_input(shape.embedding, tokens))
        mixed = (_row_lookup(setting), graph_input(tokens, width=I64), copy)
        graph.expand(Tensor("set_rows", copy.lengths, mixed, base=copy))
    if shape.architecture.startswith("gemma"):
        by_rows = shape.architecture == "gemma3" and not setting.fork
        hidden = like("mul", hidden, graph_input(1, tokens)) if by_rows else like("scale", hidden)
    return graph.expand(hidden)


def _layer(model: Model, kind: LayerKind, before: Tensor, rows: Tensor | None) -> Tensor:
    """One layer; the last one keeps only the `rows` that get logits."""
    shape = model.setting.shape
    mixed = _mixer(model, kind, norm(before))
    if rows is not None:
        lengths = (shape.embedding, model.setting.outputs)
        mixed, before = result("get_rows", lengths, mixed, rows), result("get_rows", lengths, before, rows)
    if not shape.feed_forward and not shape.experts:
        return like("add", mixed, before)
    gemma = shape.architecture.startswith("gemma")
    attended = like("add", norm(mixed) if gemma else mixed, before)
    hidden = _feed_forward(model.setting, model.graph, norm(attended))
    return like("add", norm(hidden) if gemma else hidden, attended)


def _mixer(model: Model, kind: LayerKind, tensor: Tensor) -> Tensor:
    setting, graph = model.setting, model.graph
    mixer = setting.shape.recurrent
    if kind == "recurrent" and mixer is not None:
        if setting.shape.architecture == "mamba2":
            return layers.mamba2(setting, graph, model.copies, mixer, tensor)
        return layers.delta_net(setting, graph, model.copies, mixer, graph.expand(tensor))
    cache = model.window if kind == "window" and model.window else model.full
    if mixer is not None:
        return layers.gated_attention(setting, graph, cache, model.positions, graph.expand(tensor))
    return layers.plain_attention(setting, graph, cache, model.positions, tensor)


def _feed_forward(setting: Setting, graph: Graph, tensor: Tensor) -> Tensor:
    if setting.shape.experts:
        return layers.experts(setting, graph, tensor)
    return layers.feed_forward(setting, tensor, setting.shape.feed_forward)
