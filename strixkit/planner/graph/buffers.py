"""The sizes of the compute buffers, from the lifetimes of the blocks in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strixkit.planner.graph.arena import Arena, Chunk
from strixkit.planner.graph.lifetimes import Lifetimes, lifetimes
from strixkit.planner.graph.tensor import Graph
from strixkit.planner.graph.vulkan_order import Order


@dataclass(frozen=True)
class Sizes:
    """Bytes that a graph needs on the device and on the host."""

    device: int
    host: int


def reserve(found: Lifetimes, sizes: tuple[int, ...], device: Arena, host: Arena) -> Sizes:
    """Place blocks of these sizes (ggml-backend.cpp: ggml_backend_sched_reserve).

    device and host are the same arena without a GPU.
    """
    arenas = [host if on_host else device for on_host in found.on_host]
    places: dict[int, tuple[Chunk, int]] = {}
    for step in found.steps:
        if step >= 0:
            places[step] = arenas[step].take(sizes[step])
        else:
            chunk, offset = places.pop(~step)
            chunk.give(offset, arenas[~step].padded(sizes[~step]))
    return Sizes(device=0 if device is host else device.size, host=host.size)


class AnyContext:
    """The buffers of one graph, for any length of the context: only the sizes of the blocks depend on it, linearly."""

    # Lengths at which the graph is built, to know its sizes at all others.
    FIRST, SECOND = 256, 512

    def __init__(self, build: Callable[[int], Graph], order: Order | None, *, device: bool) -> None:
        first, second = (lifetimes(build(cells), order, device=device) for cells in (self.FIRST, self.SECOND))
        self.found = first
        pairs = list(zip(first.sizes, second.sizes, strict=True))
        self.per_cell = tuple((after - before) // (self.SECOND - self.FIRST) for before, after in pairs)
        self.fixed = tuple(before - self.FIRST * slope for (before, _), slope in zip(pairs, self.per_cell, strict=True))

    def sizes(self, cells: int, device: Arena, host: Arena) -> Sizes:
        """The buffers for so many tokens of a stream's cache."""
        blocks = tuple(fixed + cells * slope for fixed, slope in zip(self.fixed, self.per_cell, strict=True))
        return reserve(self.found, blocks, device, host)
