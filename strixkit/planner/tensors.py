"""The tensor types of a GGUF: what they take, which runtimes know them, and whether an id means what it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from strixkit.planner.gguf import TYPES, Header, unknown_types

# Seen in public code: ids that no runtime of the catalogue knows, or that mean something else in another fork.
ELSEWHERE = {107: "q2_0_rocmfp2", 108: "q4_0_rocmi4"}
TURBOQUANT = frozenset(range(41, 47)) | frozenset(range(64, 69))
KV_ONLY = frozenset({105, 106})
# The ROCmFP4 fork's `general.file_type`; those of upstream are below 100.
FILE_TYPES = {
    100: "Q4_0_ROCMFP4",
    101: "Q4_0_ROCMFP4_LEAN",
    102: "Q4_0_ROCMFP4_COHERENT",
    103: "Q4_0_ROCMFP4_FAST",
    104: "Q4_0_ROCMFP4_FAST_COHERENT",
    105: "Q4_0_ROCMFP4_STRIX",
    106: "Q4_0_ROCMFP4_STRIX_LEAN",
    110: "Q6_0_ROCMFPX",
    111: "Q8_0_ROCMFPX",
    112: "Q3_0_ROCMFPX",
    113: "Q3_0_ROCMFPX_AGENT",
    114: "Q6_0_ROCMFPX_AGENT",
    115: "Q8_0_ROCMFPX_AGENT",
    116: "Q6_0_ROCMFPX_STRIX_LEAN",
    117: "Q6_0_ROCMFPX_STRIX_SPEED",
    118: "Q6_0_ROCMFPX_STRIX_QUALITY",
}
GUESSED = 1024  # a bit of the file type: the writer guessed it from the tensors


class TypeRow(BaseModel):
    """All tensors of one type. `known` false: the bytes are the room up to the next tensor, not computed."""

    model_config = ConfigDict(frozen=True)

    type: str
    type_id: int
    known: bool
    tensors: int
    elements: int
    bytes: int
    bits_per_weight: float


class Verdict(BaseModel):
    """Whether a runtime of the catalogue can load a file, as far as its tensor types tell."""

    model_config = ConfigDict(frozen=True)

    runtime: str
    loads: bool
    why: str


def type_name(number: int) -> str:
    """The ggml name of a tensor type, or its number."""
    return TYPES[number].name if number in TYPES else f"type {number}"


def elements_of(shape: Sequence[int]) -> int:
    """The number of values of a tensor; a scalar has one."""
    count = 1
    for extent in shape:
        count *= extent
    return count


def bits_per_weight(size: int, elements: int) -> float:
    """Bits for each value; 0 without values."""
    return size * 8 / elements if elements else 0.0


def type_table(header: Header) -> tuple[TypeRow, ...]:
    """A row for each type, the one with the most bytes first."""
    found: dict[int, tuple[int, int, int]] = {}
    for tensor in header.tensors:
        tensors, elements, size = found.get(tensor.type_id, (0, 0, 0))
        found[tensor.type_id] = (tensors + 1, elements + elements_of(tensor.shape), size + tensor.nbytes)
    rows = [
        TypeRow(
            type=type_name(number),
            type_id=number,
            known=number in TYPES,
            tensors=tensors,
            elements=elements,
            bytes=size,
            bits_per_weight=bits_per_weight(size, elements),
        )
        for number, (tensors, elements, size) in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.bytes, row.type_id)))


def verdicts(header: Header, runtimes: Mapping[str, frozenset[int]], *, whole: bool) -> tuple[Verdict, ...]:
    """For each runtime, by the types that it knows. A file that is not whole is loaded by none."""
    return tuple(_verdict(header, name, known, whole) for name, known in runtimes.items())


def _verdict(header: Header, runtime: str, known: frozenset[int], whole: bool) -> Verdict:
    if unknown := unknown_types(header, known):
        types = ", ".join(f"{type_name(number)} ({len(names)} tensors)" for number, names in unknown.items())
        return Verdict(runtime=runtime, loads=False, why=f"does not know {types}")
    if not whole:
        return Verdict(runtime=runtime, loads=False, why="knows all tensor types, but the file is not whole")
    return Verdict(runtime=runtime, loads=True, why="knows all tensor types")


def file_type_name(number: int) -> str:
    """The fork's name of a `general.file_type`, or nothing for upstream's."""
    return FILE_TYPES.get(number & ~GUESSED, "")


def type_doubts(header: Header, file_type: int | None) -> Iterator[str]:
    """Where an id may mean another type than it seems to: forks share neither ids nor file types."""
    used = sorted({tensor.type_id for tensor in header.tensors})
    for number in used:
        if number in ELSEWHERE:
            yield f"type {number} is {ELSEWHERE[number]} in some forks of ROCmFPX; no runtime of the catalogue knows it"
        if number in TURBOQUANT:
            yield f"{type_name(number)} has id {number}, which TurboQuant forks use for types of their own"
        if number in KV_ONLY:
            yield f"{type_name(number)} ({number}) is a type for the KV cache only; in a file it may be another fork's"
    if file_type is not None and file_type & ~GUESSED == 118:
        yield "file type 118 is Q4_0_ROCMI4 in some forks; the tensors' own types decide"


def misfits(header: Header) -> dict[int, int]:
    """Types whose tensors take another room in the file than the type does: id -> number of tensors.

    llama.cpp wants tensors without gaps, so either no runtime loads the file or the id means another type there.
    """
    found: dict[int, int] = {}
    placed = sorted(header.tensors, key=lambda tensor: tensor.offset)
    for tensor, follower in pairwise(placed):
        wanted = -(-tensor.nbytes // header.alignment) * header.alignment
        if tensor.type_id in TYPES and follower.offset - tensor.offset != wanted:
            found[tensor.type_id] = found.get(tensor.type_id, 0) + 1
    return found
