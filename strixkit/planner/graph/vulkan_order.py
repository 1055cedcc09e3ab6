"""The order in which ggml's Vulkan backend computes a graph (ggml-vulkan.cpp: ggml_vk_graph_optimize).

It pulls forward what depends on nothing that is still to come, so that the GPU can overlap it, and keeps together
what it computes as one. More tensors are needed at the same time then: the compute buffer grows by up to a quarter.
Lengths play no part, so one order serves all graphs of a structure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from strixkit.planner.graph.tensor import VIEWS, Tensor

Pattern = tuple[str, ...]

# How far ahead it looks for what to pull forward, and for what goes together with it.
AHEAD = 20
TOGETHER = 15

TOP_EXPERTS: Pattern = (
    *("soft_max", "reshape", "argsort", "view", "get_rows"),
    *("reshape", "sum_rows", "clamp", "div", "reshape"),
)
STORED = ("view", "set_rows")


@dataclass(frozen=True)
class Rules:
    """What a build of the backend keeps together.

    patterns: sequences of operations that are computed as one and never torn apart.
    pairs: a first operation that a second, next in the list, may follow at once although it depends on it.
    loose_pairs: the same, also with views in between.
    storage: whether two views of the same memory depend on each other.
    """

    patterns: tuple[Pattern, ...]
    pairs: frozenset[tuple[str, str]]
    loose_pairs: frozenset[tuple[str, str]]
    storage: bool


_PAIRS = frozenset({("mul_mat", "add"), ("mul_mat_id", "add_id"), ("mul_mat_id", "mul"), ("add", "add")})
FORK = Rules(
    patterns=(TOP_EXPERTS,),
    pairs=_PAIRS | {("rms_norm", "mul")},
    loose_pairs=frozenset(),
    storage=False,
)
UPSTREAM = Rules(
    patterns=(
        TOP_EXPERTS,
        ("rms_norm", "mul", "add", "mul"),
        ("rms_norm", "mul", "add"),
        ("rms_norm", "mul", "rope", *STORED),
        ("rms_norm", *STORED),
        ("rope", *STORED),
    ),
    pairs=_PAIRS | {("ssm_conv", "add"), ("ssm_conv", "unary")},
    loose_pairs=frozenset({("rms_norm", "mul"), ("unary", "mul")}),
    storage=True,
)


@dataclass(frozen=True)
class Order:
    """Numbers of nodes in the order of computing them.

    keeps: after the first node of a pair, the inputs of the second are still needed.
    """

    numbers: tuple[int, ...]
    keeps: dict[int, int]

    def of(self, nodes: Sequence[Tensor]) -> Iterator[Tensor]:
        """The nodes in this order; a `keep` stands for a note that holds its inputs until there."""
        for number in self.numbers:
            yield nodes[number]
            if number in self.keeps:
                yield Tensor("keep", (), nodes[self.keeps[number]].inputs)


def vulkan_order(nodes: Sequence[Tensor], rules: Rules) -> Order:
    """The order in which a build with these rules computes the nodes."""
    return _Reordering(nodes, rules).run()


class _Reordering:
    """One walk over a graph: group by group, each as large as possible."""

    def __init__(self, nodes: Sequence[Tensor], rules: Rules) -> None:
        self.nodes = nodes
        self.rules = rules
        self.ops = [node.op for node in nodes]
        self.views = [node.op in VIEWS for node in nodes]
        # By identity: each node, its inputs, and whose memory all of these are.
        self.ids = [id(node) for node in nodes]
        self.inputs = [{id(needed) for needed in node.inputs} for node in nodes]
        self.owners = [id(node.owner) for node in nodes]
        self.input_owners = [{id(needed.owner) for needed in node.inputs} for node in nodes]
        self.first = 0  # everything before it is in the order
        self.taken = [False] * len(nodes)
        self.done: set[int] = set()
        self.order: list[int] = []
        self.keeps: dict[int, int] = {}

    def run(self) -> Order:
        while self.first < len(self.nodes):
            pattern = self._pattern_at(self.first)
            numbers = list(range(self.first, self.first + len(pattern))) if pattern else self._group()
            for number in numbers:
                self.order.append(number)
                self.done.add(id(self.nodes[number]))
                self.taken[number] = True
            if pattern == TOP_EXPERTS and self.rules.storage:
                self.keeps[numbers[-1]] = numbers[0]
            while self.first < len(self.nodes) and self.taken[self.first]:
                self.first += 1
        return Order(tuple(self.order), self.keeps)

    def _group(self) -> list[int]:
        """The next node, all real nodes near by that need not wait for it, and then their views."""
        group = [self.first]
        near = range(self.first + 1, min(self.first + AHEAD, len(self.nodes)))
        for number in near:
            if self.taken[number] or self.views[number] or self._pattern_at(number):
                continue
            if not any(self._waits(number, c, group) for c in range(self.first, number) if not self.taken[c]):
                group.append(number)
                for companion in self._companions(number):
                    group.append(companion)
                    self.taken[companion] = True
        if self.ops[group[-1]] != "add":
            self._add_views(group, near)
        return group

    def _add_views(self, group: list[int], near: Iterable[int]) -> None:
        for number in near:
            if self.taken[number] or not self.views[number]:
                continue
            before = (c for c in range(self.first, number) if not self.taken[c] and c not in group)
            if not any(self._depends(number, c) for c in before):
                group.append(number)

    def _waits(self, number: int, on: int, group: list[int]) -> bool:
        """Whether a node must wait for another one that is not computed yet."""
        if not self._depends(number, on):
            return False
        pair = (self.ops[on], self.ops[number])
        if on != group[-1]:
            return True
        between = range(on + 1, number)
        if pair in self.rules.loose_pairs and all(self.taken[c] or self.views[c] for c in between):
            return False
        return not (pair in self.rules.pairs and number == on + 1)

    def _depends(self, number: int, on: int) -> bool:
        later, earlier = self.owners[number], self.owners[on]
        if later == earlier or self.ids[on] in self.inputs[number]:
            return True
        if not self.rules.storage or self.views[number] or self.views[on]:
            return False
        return earlier in self.input_owners[number] or later in self.input_owners[on]

    def _companions(self, number: int) -> list[int]:
        """What goes together with a node that was just pulled forward."""
        found = []
        before = self.ops[number - 1]
        op = self.ops[number]
        rope = number
        if (before, op) == ("rms_norm", "mul"):
            for other in self._following(number):
                if self.ops[other] == "rope" and self.nodes[other].inputs[0] is self.nodes[number]:
                    found.append(other)
                    rope = other
                    break
        if self.ops[rope] == "rope":
            found += self._stored(rope)
        if (before, op) == ("mul_mat", "add"):
            found += self._first_user(number, "add", first_input=True)
        if self.rules.storage and (before, op) == ("ssm_conv", "add"):
            found += self._first_user(number, "unary", first_input=True)
        if self.rules.storage and op == "unary":
            found += self._first_user(number, "mul", first_input=False)
        return found

    def _stored(self, rope: int) -> list[int]:
        """The view of a rope and its way into the cache."""
        view = -1
        for number in self._following(rope):
            node = self.nodes[number]
            if self.taken[number] or node.op not in STORED:
                continue
            if view < 0 and node.op == "view" and node.inputs[0] is self.nodes[rope]:
                view = number
            elif view >= 0 and node.op == "set_rows" and node.inputs[0] is self.nodes[view]:
                return [view, number]
        return []

    def _first_user(self, number: int, op: str, *, first_input: bool) -> list[int]:
        """The next node of this kind that uses the node and whose other inputs are there."""
        node = self.nodes[number]
        for other in self._following(number):
            user = self.nodes[other]
            if user.op != op or node not in (user.inputs[:1] if first_input else user.inputs):
                continue
            if all(needed is node or self._ready(needed) for needed in user.inputs):
                return [other]
        return []

    def _ready(self, tensor: Tensor) -> bool:
        return tensor.op in ("given", "copy") or id(tensor) in self.done

    def _following(self, number: int) -> range:
        return range(number + 1, min(number + TOGETHER, len(self.nodes)))

    def _pattern_at(self, start: int) -> Pattern:
        for pattern in self.rules.patterns:
            end = start + len(pattern)
            if (
                self.ops[start] == pattern[0]
                and self.ops[start:end] == list(pattern)
                and not any(self.taken[start:end])
            ):
                return pattern
        return ()
