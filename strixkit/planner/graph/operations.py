"""The operations that the layers are made of, by ggml's names (ggml.c). Weights are left out: they take no part."""

from __future__ import annotations

from strixkit.planner.graph.tensor import Tensor

# Bytes of an element; f32 and i32 are the default everywhere.
F16, F32, I64 = 2, 4, 8


def given(*lengths: int) -> Tensor:
    """A cache: memory that the graph does not have to find."""
    return Tensor("given", lengths)


def graph_input(*lengths: int, width: int = F32) -> Tensor:
    """What the caller sets before the graph is computed."""
    return Tensor("input", lengths, width=width, host=True)


def result(op: str, lengths: tuple[int, ...], *inputs: Tensor, width: int = F32) -> Tensor:
    """Any operation that has memory of its own for what it computes."""
    return Tensor(op, lengths, inputs, width=width)


def like(op: str, first: Tensor, *others: Tensor) -> Tensor:
    """An operation whose result has the lengths of its first input."""
    return Tensor(op, first.lengths, (first, *others), width=first.width)


def reshape(tensor: Tensor, *lengths: int) -> Tensor:
    """The same memory with other lengths."""
    return Tensor("reshape", lengths, (tensor,), width=tensor.width, base=tensor)


def part(tensor: Tensor, *lengths: int) -> Tensor:
    """A part of the tensor, with gaps between its rows."""
    return Tensor("view", lengths, (tensor,), width=tensor.width, base=tensor, contiguous=False, host=tensor.host)


def turned(op: str, tensor: Tensor, *lengths: int) -> Tensor:
    """The same memory read in another order: permute, transpose."""
    return Tensor(op, lengths, (tensor,), width=tensor.width, base=tensor, contiguous=False)


def store(op: str, cache: Tensor, tensor: Tensor, *indices: Tensor) -> Tensor:
    """Write into a cache: cpy, or set_rows at the indices."""
    return Tensor(op, (), (tensor, *indices, cache), base=cache)


def matmul(rows: int, tensor: Tensor) -> Tensor:
    """A matrix of weights with `rows` rows, times the tensor."""
    return result("mul_mat", (rows, *tensor.lengths[1:]), tensor)


def norm(tensor: Tensor) -> Tensor:
    """RMS norm, times its weights (llama-graph.cpp: build_norm)."""
    return like("mul", like("rms_norm", tensor))


def kept(tensor: Tensor) -> Tensor:
    """The tensor, marked as one that the caller reads (llama-graph.cpp: set_outputs)."""
    tensor.kept = True
    return tensor
