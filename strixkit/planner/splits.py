"""A model in several files: the names of its parts, and one header of all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from strixkit.errors import InputError, StrixError
from strixkit.planner.gguf import GgufError, Header, check_size

# As llama.cpp names and numbers them; a query or a fragment of a URL may follow.
NAME = re.compile(r"-([0-9]{5})-of-([0-9]{5})\.gguf(?=[?#]|\Z)")
MAX_PARTS = 256


@dataclass(frozen=True)
class FilePart:
    """One file: its size in bytes and its header, or why there is none."""

    name: str
    size: int = 0
    header: Header | None = None
    failure: StrixError | None = None


@dataclass(frozen=True)
class Whole:
    """One header of all parts (metadata of the first, all tensors), and what is wrong with the file as a whole."""

    header: Header
    parts: tuple[FilePart, ...]
    problems: tuple[str, ...]


def part_names(name: str) -> tuple[str, ...]:
    """The names of all parts, if `name` is one of several, else itself alone. Raises InputError for too many."""
    found = None
    for found in NAME.finditer(name):  # noqa: B007 - the last one is the file's own
        pass
    if found is None:
        return (name,)
    count = int(found[2])
    if not 1 <= int(found[1]) <= count <= MAX_PARTS:
        raise InputError(f"{name} names part {found[1]} of {found[2]}; wanted at most {MAX_PARTS} parts, from 00001 on")
    before, after = name[: found.start()], name[found.end() :]
    return tuple(f"{before}-{number:05}-of-{count:05}.gguf{after}" for number in range(1, count + 1))


def join(parts: Sequence[FilePart]) -> Whole:
    """All parts, in the order of their names, as one. At least one of them has a header."""
    headers = [part.header for part in parts if part.header is not None]
    first = parts[0].header or headers[0]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    problems = [*_missing(parts), *_truncated(parts), *_disagreements(parts), *_twice(headers)]
    announced = first.metadata.get("split.tensors.count", len(tensors))
    if len(headers) == len(parts) and announced != len(tensors):
        problems.append(f"the parts have {len(tensors)} tensors, the first part announces {announced!s:.20}")
    return Whole(first._replace(tensors=tensors), tuple(parts), tuple(problems))


def _missing(parts: Sequence[FilePart]) -> Iterator[str]:
    for number, part in enumerate(parts, 1):
        if part.header is None:
            yield f"part {number} of {len(parts)}: {part.failure.message if part.failure else 'missing'}"


def _truncated(parts: Sequence[FilePart]) -> Iterator[str]:
    for part in parts:
        if part.header is not None:
            try:
                check_size(part.header, part.size)
            except GgufError as error:
                yield f"{part.name}: {error}" if len(parts) > 1 else str(error)


def _disagreements(parts: Sequence[FilePart]) -> Iterator[str]:
    first = parts[0].header
    for number, part in enumerate(parts, 1):
        if part.header is None:
            continue
        metadata = part.header.metadata
        count, index = metadata.get("split.count", 1), metadata.get("split.no", 0)
        if count != len(parts) and not (count == 0 and len(parts) == 1):
            named = f"by its name part {number} of {len(parts)}" if len(parts) > 1 else "by its name not one of several"
            yield f"{part.name} is {named}, but its header announces {count!s:.20} parts"
        elif index != number - 1:
            yield f"{part.name}: its header says that it is part {_next(index)!s:.20}, its name says {number}"
        kind = metadata.get("general.architecture")
        if first is not None and kind is not None and kind != first.metadata.get("general.architecture"):
            yield f"{part.name} is of architecture {kind!s:.40}, the first part is not"


def _next(index: object) -> object:
    return index + 1 if isinstance(index, int) else index


def _twice(headers: Sequence[Header]) -> Iterator[str]:
    seen: set[str] = set()
    for header in headers:
        names = {tensor.name for tensor in header.tensors}
        if again := seen & names:
            yield f"{len(again)} tensors are in more than one part, as {min(again)}"
        seen |= names
