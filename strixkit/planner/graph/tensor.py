"""A compute graph of llama.cpp, as far as its memory goes: tensors with a size, and the order of computing them."""

from __future__ import annotations

from math import prod

# Operations that may write their result over an input that nobody else needs (ggml-alloc.c: ggml_op_can_inplace).
IN_PLACE = frozenset({"add", "clamp", "div", "mul", "rms_norm", "rope", "scale", "soft_max", "unary"})
# Operations that compute nothing: other lengths for the same memory.
VIEWS = frozenset({"permute", "reshape", "transpose", "view"})


class Tensor:
    """One tensor. Operations have ggml's names; besides, `given` is memory that lies elsewhere (weights, caches) and
    `input` is what the caller sets, in host memory.

    lengths: elements in each dimension, fastest first; width: bytes of an element.
    base: the tensor whose memory this one is a view of.
    contiguous: without gaps. No result takes the place of a view with gaps.
    host: it lies in host memory.
    in_place: it may be written over an input that nobody else needs.
    kept: the caller reads it, so its memory is never used for anything else (ggml.h: ggml_set_output).
    """

    __slots__ = ("base", "contiguous", "host", "in_place", "inputs", "kept", "lengths", "op", "size", "width")

    def __init__(
        self,
        op: str,
        lengths: tuple[int, ...],
        inputs: tuple[Tensor, ...] = (),
        *,
        width: int = 4,
        base: Tensor | None = None,
        contiguous: bool = True,
        host: bool = False,
    ) -> None:
        while len(lengths) > 1 and lengths[-1] == 1:
            lengths = lengths[:-1]
        self.op = op
        self.lengths = lengths
        self.inputs = inputs
        self.width = width
        self.size = prod(lengths) * width
        self.base: Tensor | None = base.owner if base else None
        self.contiguous = contiguous
        self.host = host
        self.in_place = op in IN_PLACE
        self.kept = False

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return self.size // self.width

    @property
    def owner(self) -> Tensor:
        """The tensor whose memory this is."""
        return self.base or self

    def fits(self, other: Tensor) -> bool:
        """Whether this result could lie exactly where `other` does (ggml-alloc.c: ggml_are_same_layout)."""
        return self.lengths == other.lengths and self.width == other.width and other.contiguous


class Graph:
    """The nodes in the order in which they are computed, and the inputs that the caller sets."""

    def __init__(self) -> None:
        self.nodes: list[Tensor] = []
        self.inputs: list[Tensor] = []
        self._seen: set[int] = set()

    def expand(self, tensor: Tensor) -> Tensor:
        """Add `tensor` after all that it needs (ggml.c: ggml_visit_parents_graph)."""
        if id(tensor) in self._seen:
            return tensor
        self._seen.add(id(tensor))
        for needed in tensor.inputs:
            self.expand(needed)
        if tensor.op == "input":
            self.inputs.append(tensor)
        elif tensor.op != "given":
            self.nodes.append(tensor)
        return tensor
