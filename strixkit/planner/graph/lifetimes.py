"""When a graph's tensors need memory: the steps in which ggml takes it and gives it back.

Follows ggml-alloc.c (ggml_gallocr_alloc_graph_impl) and the split of ggml-backend.cpp: what the device reads from host
memory is copied to it first. How large the tensors are plays no part here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from strixkit.planner.graph.tensor import Graph, Tensor
from strixkit.planner.graph.vulkan_order import Order

# Memory that lies elsewhere, and notes that keep a tensor longer.
NO_MEMORY = frozenset({"given", "keep"})


@dataclass(frozen=True)
class Lifetimes:
    """Blocks of memory by number, and the steps of using them.

    sizes: bytes of each block; on_host: whether it lies there. steps: n takes block n, ~n gives it back.
    """

    sizes: tuple[int, ...]
    on_host: tuple[bool, ...]
    steps: tuple[int, ...]


def lifetimes(graph: Graph, order: Order | None = None, *, device: bool = True) -> Lifetimes:
    """The blocks of a graph.

    device: one computes it; otherwise all lies in host memory. order: that of its nodes, if it is not the graph's.
    """
    walk = _Walk()
    if device:
        first, copies, nodes = split(graph)
        walk.run(graph.inputs, [*first, *copies, *(order.of(nodes) if order else nodes)])
    else:
        walk.run(graph.inputs, graph.nodes)
    on_host = tuple(walk.on_host) if device else (True,) * len(walk.on_host)
    return Lifetimes(tuple(walk.sizes), on_host, tuple(walk.steps))


def split(graph: Graph) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The host's nodes, copies to the device of all that it reads from the host, and the nodes from its first one on.

    Views of host memory that lie among the latter stay there, though nobody computes them.
    """
    start = next(number for number, node in enumerate(graph.nodes) if not node.host)
    copies: dict[int, Tensor] = {}
    nodes = [node for node in graph.nodes[start:] if not node.host or node.base is not None]
    for node in nodes:
        if node.host:
            continue
        for needed in node.inputs:
            if needed.host and id(needed) not in copies:
                copies[id(needed)] = Tensor("copy", needed.lengths, (needed,), width=needed.width)
        node.inputs = tuple(copies.get(id(needed), needed) for needed in node.inputs)
    first = [*graph.nodes[:start], *(node for node in graph.nodes[start:] if node.host and node.base is None)]
    return first, list(copies.values()), nodes


@dataclass(slots=True)
class _Use:
    """What is left to come for one tensor, and its block while it has one."""

    children: int = 0
    views: int = 0
    block: int | None = None


@dataclass
class _Walk:
    uses: dict[int, _Use] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    on_host: list[bool] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def run(self, inputs: Iterable[Tensor], nodes: list[Tensor]) -> None:
        """Place the inputs, then each node; give back what no later node needs."""
        for tensor in inputs:
            self._place(tensor)
        for node in nodes:
            if node.base is not None:
                self._use(node.base).views += 1
            for needed in node.inputs:
                self._use(needed).children += 1
        for node in nodes:
            self._place(node)
            for needed in node.inputs:
                self._used(needed)

    def _use(self, tensor: Tensor) -> _Use:
        use = self.uses.get(id(tensor))
        if use is None:
            use = self.uses[id(tensor)] = _Use()
        return use

    def _place(self, tensor: Tensor) -> None:
        use = self._use(tensor)
        if tensor.op in NO_MEMORY or tensor.base is not None or use.block is not None:
            return
        if tensor.in_place and self._in_place(tensor, use):
            return
        use.block = len(self.sizes)
        self.sizes.append(tensor.size)
        self.on_host.append(tensor.host)
        self.steps.append(use.block)

    def _in_place(self, tensor: Tensor, use: _Use) -> bool:
        """Take over the block of an input that nobody else needs, if there is one."""
        for parent in tensor.inputs:
            found = self._use(parent)
            if parent.kept or found.block is None or found.children != 1 or found.views:
                continue
            if tensor.fits(parent):
                use.block, found.block = found.block, None
                return True
        return False

    def _used(self, tensor: Tensor) -> None:
        """One of those that need the tensor is done: after the last one its block is free."""
        use = self._use(tensor)
        use.children -= 1
        if use.children or use.views:
            return
        owner = tensor.owner
        if owner is not tensor:
            use = self._use(owner)
            use.views -= 1
        if use.views or use.children or owner.kept or use.block is None:
            return
        self.steps.append(~use.block)
        use.block = None
