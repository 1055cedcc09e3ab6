"""Where ggml puts the tensors of a graph: the size of the buffers that it reserves for them.

Follows ggml-alloc.c (best fit, one free list for each device, results in place of inputs that end there) and the
split of ggml-backend.cpp (what the device reads from the host is copied to it first). The sizes are those that
the server logs, because the same rules leave the same gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

from strixkit.planner.graph.tensor import IN_PLACE, Graph, Tensor
from strixkit.planner.graph.vulkan_order import Order

ENDLESS = 1 << 62
# Memory that lies elsewhere, and notes that keep a tensor longer.
NO_MEMORY = frozenset({"given", "keep"})


@dataclass(frozen=True)
class Sizes:
    """Bytes that a graph's tensors need on the device and on the host."""

    device: int
    host: int


class Arena:
    """One buffer that grows (ggml-alloc.c: ggml_dyn_tallocr). It has chunks, since a device limits an allocation."""

    def __init__(self, alignment: int, largest: int = ENDLESS) -> None:
        self.alignment = alignment
        self.largest = largest
        self.chunks: list[Chunk] = []

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.peak for chunk in self.chunks)

    def take(self, size: int) -> tuple[Chunk, int]:
        """A new block: the smallest gap that is large enough, else the end of a chunk, else a new chunk."""
        size = self.padded(size)
        for chunk in reversed(self.chunks):
            gap = chunk.best_gap(size)
            if gap is not None:
                return chunk, chunk.cut(gap, size)
        chunk = self._chunk_with_room(size)
        return chunk, chunk.cut(len(chunk.free) - 1, size)

    def _chunk_with_room(self, size: int) -> Chunk:
        """The one that grows least; of those that need not grow, the one that it fills best."""
        best, best_left = None, 0
        for chunk in self.chunks:
            if not chunk.free or chunk.free[-1][1] < size:
                continue
            left = chunk.peak - chunk.free[-1][0] - size
            if best is None or (best_left < 0 and left > best_left) or 0 <= left < best_left:
                best, best_left = chunk, left
        if best is None:
            best = Chunk(max(size, self.largest))
            self.chunks.append(best)
        return best

    def padded(self, size: int) -> int:
        """The size with what the alignment adds."""
        return -(-size // self.alignment) * self.alignment


class Chunk:
    """A part of a buffer: its free blocks [offset, size] by offset, the last one being what was never used."""

    def __init__(self, room: int) -> None:
        self.free = [[0, room]]
        self.peak = 0

    def best_gap(self, size: int) -> int | None:
        """Number of the smallest gap before the last free block that is large enough; the last of equals."""
        best, best_size = None, ENDLESS
        for number in range(len(self.free) - 1):
            if size <= self.free[number][1] <= best_size:
                best, best_size = number, self.free[number][1]
        return best

    def cut(self, number: int, size: int) -> int:
        """Take `size` bytes from the beginning of a free block; returns their offset."""
        block = self.free[number]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if not block[1]:
            del self.free[number]
        self.peak = max(self.peak, offset + size)
        return offset

    def give(self, offset: int, size: int) -> None:
        """Free a block, merged with its free neighbours."""
        free = self.free
        at = next((number for number, block in enumerate(free) if block[0] >= offset), len(free))
        if at < len(free) and offset + size == free[at][0]:
            free[at][0] = offset
            free[at][1] += size
        else:
            free.insert(at, [offset, size])
        if at and sum(free[at - 1]) == offset:
            free[at - 1][1] += free[at][1]
            del free[at]


@dataclass(slots=True)
class _State:
    """What is left to come for one tensor, and where it lies."""

    children: int = 0
    views: int = 0
    arena: Arena | None = None
    chunk: Chunk | None = None
    offset: int = 0


class Layout:
    """Walks once through a graph (ggml-alloc.c: ggml_gallocr_alloc_graph_impl)."""

    def __init__(self, device: Arena, host: Arena) -> None:
        self.device = device
        self.host = host
        self.states: dict[int, _State] = {}

    def run(self, inputs: list[Tensor], nodes: list[Tensor]) -> None:
        """Place the inputs, then each node; free what no later node needs."""
        for tensor in inputs:
            self._place(tensor)
        for node in nodes:
            if node.base is not None:
                self._state(node.base).views += 1
            for needed in node.inputs:
                self._state(needed).children += 1
        for node in nodes:
            self._place(node)
            for needed in node.inputs:
                self._used(needed)

    def _state(self, tensor: Tensor) -> _State:
        state = self.states.get(id(tensor))
        if state is None:
            state = self.states[id(tensor)] = _State()
        return state

    def _place(self, tensor: Tensor) -> None:
        state = self._state(tensor)
        if tensor.op in NO_MEMORY or tensor.base is not None or state.arena is not None:
            return
        if tensor.op in IN_PLACE and self._in_place(tensor, state):
            return
        state.arena = self.host if tensor.host else self.device
        state.chunk, state.offset = state.arena.take(tensor.size)

    def _in_place(self, tensor: Tensor, state: _State) -> bool:
        """Take over the memory of an input that nobody else needs, if there is one."""
        for parent in tensor.inputs:
            found = self._state(parent)
            if parent.kept or found.arena is None or found.children != 1 or found.views:
                continue
            if tensor.fits(parent):
                state.arena, state.chunk, state.offset = found.arena, found.chunk, found.offset
                found.arena = None
                return True
        return False

    def _used(self, tensor: Tensor) -> None:
        """One of those that need the tensor is done: free it after the last one."""
        state = self._state(tensor)
        state.children -= 1
        if state.children or state.views:
            return
        owner = tensor
        if tensor.base is not None:
            owner, state = tensor.base, self._state(tensor.base)
            state.views -= 1
        if owner.kept or state.views or state.children:
            return
        if state.arena is not None and state.chunk is not None:
            state.chunk.give(state.offset, state.arena.padded(owner.size))
            state.arena = None


def reserve(graph: Graph, device: Arena, host: Arena, order: Order | None = None) -> Sizes:
    """Bytes of the compute buffers for a graph (ggml-backend.cpp: split_graph, alloc_splits).

    device and host are the same arena without a GPU. order: that of the device's nodes, if it is not the graph's.
    """
    layout = Layout(device, host)
    if device is host:
        layout.run(graph.inputs, graph.nodes)
        return Sizes(device=0, host=host.size)
    first, copies, nodes = split(graph)
    layout.run(graph.inputs, [*first, *copies, *(order.of(nodes) if order else nodes)])
    return Sizes(device=device.size, host=host.size)


def split(graph: Graph) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The host's nodes, copies to the device of all that it reads from the host, and the device's nodes."""
    copies: dict[int, Tensor] = {}
    nodes = [node for node in graph.nodes if not node.host]
    for node in nodes:
        for needed in node.inputs:
            if needed.host and id(needed) not in copies:
                copies[id(needed)] = Tensor("copy", needed.lengths, (needed,), width=needed.width)
        node.inputs = tuple(copies.get(id(needed), needed) for needed in node.inputs)
    return [node for node in graph.nodes if node.host], list(copies.values()), nodes
