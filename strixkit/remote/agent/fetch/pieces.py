"""A file as pieces of 1 MiB: which there are, as text; and the record of those that were fetched. Pieces count from 0.

The record is appended to and never synced: what a power cut leaves of it is believed only after each piece it names was
read again and has the hash that it says.
"""

from __future__ import annotations

import os
import re
from typing import Dict, Iterable, List, NamedTuple, Set, Tuple

PIECE = 1 << 20  # bytes
ORIGIN = "origin"
ALL = "all"
LINE = re.compile(r"([0-9]{1,9}) ([0-9a-f]{64}) ([!-~]{1,200})")
RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


class Entry(NamedTuple):
    """A recorded piece. source: ORIGIN, or the name of the box that gave it."""

    sha256: str
    source: str


def source(box: str) -> str:
    """What the record says of a piece that another box gave."""
    name = "".join(letter if "!" <= letter <= "~" else "_" for letter in box)[:100]
    return name if name and name != ORIGIN else "box:" + name


def count(size: int) -> int:
    """How many pieces a file of `size` bytes has."""
    return -(-size // PIECE)


def length(index: int, size: int) -> int:
    """Bytes of a piece; only the last one is shorter."""
    return min(PIECE, size - index * PIECE)


def total(pieces: "Iterable[int]", size: int) -> int:
    """Bytes of all these pieces."""
    return sum(length(index, size) for index in pieces)


def runs(pieces: "Iterable[int]") -> "List[Tuple[int, int]]":
    """Neighbours together, as (first, last), in order."""
    found: "List[Tuple[int, int]]" = []
    for index in sorted(set(pieces)):
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found


def text(pieces: "Iterable[int]") -> str:
    """`0-12,15`; empty for none."""
    return ",".join(str(first) if first == last else "%d-%d" % (first, last) for first, last in runs(pieces))


def parse(words: str, number: int) -> "Set[int]":
    """The pieces of `0-12,15`, of `all`, or of an empty text, of a file of `number` pieces. Raises ValueError."""
    if words == ALL:
        return set(range(number))
    found: "Set[int]" = set()
    for word in words.split(",") if words else []:
        match = RANGE.fullmatch(word)
        first = int(match[1]) if match else number
        last = int(match[2] or match[1]) if match else number
        if not first <= last < number:
            raise ValueError("%r names no pieces of a file of %d" % (word[:40], number))
        found.update(range(first, last + 1))
    return found


def load(path: str) -> "Dict[int, Entry]":
    """What the record says; a line that was torn, or makes no sense, says nothing."""
    try:
        with open(path, "rb") as handle:
            *lines, _torn = handle.read().split(b"\n")
    except FileNotFoundError:
        return {}
    found: "Dict[int, Entry]" = {}
    for line in lines:
        match = LINE.fullmatch(line.decode("ascii", "replace"))
        if match:
            found[int(match[1])] = Entry(match[2], match[3])
    return found


def line(index: int, entry: Entry) -> bytes:
    """One line of the record."""
    return ("%d %s %s\n" % (index, entry.sha256, entry.source)).encode("ascii")


def rewrite(path: str, entries: "Dict[int, Entry]") -> None:
    """Replace the record by these entries, in one rename."""
    with open(path + ".new", "wb") as handle:
        handle.write(b"".join(line(index, entry) for index, entry in sorted(entries.items())))
    os.replace(path + ".new", path)
