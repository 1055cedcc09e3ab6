"""Graphs laid out in memory: the rules of best fit, and the two shortcuts, which must change no size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planner_cases import SHAPE_27B

from strixkit.planner.graph import models
from strixkit.planner.graph.arena import ENDLESS, Arena
from strixkit.planner.graph.buffers import AnyContext, Sizes, reserve
from strixkit.planner.graph.layers import Setting
from strixkit.planner.graph.lifetimes import lifetimes, split
from strixkit.planner.graph.tensor import Graph, Tensor
from strixkit.planner.graph.vulkan_order import FORK, UPSTREAM, vulkan_order
from strixkit.planner.run import CacheTypes
from strixkit.planner.shape import ModelShape, Recurrent

PLAIN = SHAPE_27B.model_copy(update={"architecture": "llama", "attention_layers": 64, "recurrent": None})
SHAPES = {
    "27b": SHAPE_27B,
    "llama": PLAIN,
    "experts": PLAIN.model_copy(
        update={
            "architecture": "qwen3moe",
            "layers": 48,
            "attention_layers": 48,
            "experts": 128,
            "experts_used": 8,
            "expert_feed_forward": 768,
        }
    ),
    "windows": PLAIN.model_copy(
        update={
            "architecture": "gemma3",
            "layers": 62,
            "window": 1024,
            "kinds": tuple("attention" if number % 6 == 5 else "window" for number in range(62)),
        }
    ),
    "mamba2": PLAIN.model_copy(
        update={
            "architecture": "mamba2",
            "attention_layers": 0,
            "feed_forward": 0,
            "recurrent": Recurrent(conv_kernel=4, inner=10240, state=128, groups=1, heads=160),
        }
    ),
}


def setting(shape: ModelShape, *, fork: bool, tokens: int = 256) -> Setting:
    return Setting(
        shape=shape,
        fork=fork,
        tokens=tokens,
        sequences=1,
        streams=1,
        outputs=tokens if fork else 1,
        kv=CacheTypes("f16", "f16"),
        states=1,
        flash_attention=True,
        late_rows=fork,
        f16_copies=False,
    )


def laid_out(given: Setting, cells: int, *, vulkan: bool) -> Sizes:
    def graph() -> Graph:
        return models.main_graph(given, cells, min(cells, 1280))

    order = vulkan_order(split(graph())[2], FORK if given.fork else UPSTREAM) if vulkan else None
    found = lifetimes(graph(), order)
    return reserve(found, found.sizes, Arena(16, 1 << 30 if vulkan else ENDLESS), Arena(64))


@pytest.mark.parametrize("vulkan", [False, True], ids=["hip", "vulkan"])
@pytest.mark.parametrize("fork", [False, True], ids=["upstream", "fork"])
@pytest.mark.parametrize("name", SHAPES)
def test_few_layers_need_the_same_memory_as_all(
    name: str, fork: bool, vulkan: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [(setting(SHAPES[name], fork=fork, tokens=tokens), cells) for tokens, cells in ((256, 65536), (512, 8192))]
    few = [laid_out(given, cells, vulkan=vulkan) for given, cells in cases]
    assert len(models.enough(SHAPES[name].layer_kinds)) <= SHAPES[name].layers // 2
    monkeypatch.setattr(models, "FIRST_GROUPS", 1000)
    assert len(models.enough(SHAPES[name].layer_kinds)) == SHAPES[name].layers
    assert few == [laid_out(given, cells, vulkan=vulkan) for given, cells in cases]


@pytest.mark.parametrize("flash_attention", [True, False])
@pytest.mark.parametrize("kv", ["f16", "f32"])
def test_a_graph_for_any_context_is_the_graph_of_each(kv: str, flash_attention: bool) -> None:
    given = replace(
        setting(SHAPE_27B, fork=False), kv=CacheTypes(kv, kv), flash_attention=flash_attention, f16_copies=True
    )
    any_context = AnyContext(lambda cells: models.main_graph(given, cells, 1280), None, device=True)
    for cells in (1280, 32768, 262144):
        assert any_context.sizes(cells, Arena(128), Arena(32)) == _on_hip(given, cells)


def _on_hip(given: Setting, cells: int) -> Sizes:
    found = lifetimes(models.main_graph(given, cells, 1280))
    return reserve(found, found.sizes, Arena(128), Arena(32))


def test_best_fit_takes_the_smallest_gap_and_the_last_of_equals() -> None:
    arena = Arena(1)
    places = [arena.take(size) for size in (30, 1, 10, 1, 20, 1, 10, 1)]
    for number in (0, 2, 4, 6):
        chunk, offset = places[number]
        chunk.give(offset, (30, 1, 10, 1, 20, 1, 10, 1)[number])
    assert arena.take(10)[1] == places[6][1]
    assert arena.take(9)[1] == places[2][1]
    assert arena.take(11)[1] == places[4][1]
    assert arena.size == 74


def test_an_empty_block_keeps_its_neighbours_apart() -> None:
    """As in ggml: what is freed joins the first block that it touches."""
    arena = Arena(1)
    chunk, low = arena.take(10)
    _, middle = arena.take(10)
    arena.take(1)
    chunk.give(low, 10)
    chunk.give(middle, 0)
    chunk.give(middle, 10)
    assert arena.take(20)[1] == low


def test_what_no_chunk_has_room_for_is_a_chunk_of_its_own() -> None:
    arena = Arena(16, largest=100)
    first, _ = arena.take(90)
    second, _ = arena.take(200)
    assert (first is second, arena.size) == (False, 96 + 208)


def test_a_result_takes_the_place_of_an_input_that_ends_there() -> None:
    graph = Graph()
    source = Tensor("mul_mat", (10,))
    doubled = Tensor("scale", (10,), (source,))
    graph.expand(Tensor("mul_mat", (5,), (doubled,)))
    assert lifetimes(graph).steps == (0, 1, ~0)


def test_what_is_needed_again_or_read_by_the_caller_keeps_its_place() -> None:
    for keep in (True, False):
        graph = Graph()
        source = Tensor("mul_mat", (10,))
        source.kept = keep
        doubled = graph.expand(Tensor("scale", (10,), (source,)))
        graph.expand(Tensor("add", (10,), (doubled, source) if not keep else (doubled,)))
        assert lifetimes(graph).sizes == (40, 40)
