"""Who fetches what of a file that several boxes want: each piece once from the origin, then from each other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strixkit.errors import RemoteError

PIECE = 1 << 20  # bytes; see remote/agent/fetch
PORT = 8179  # where a box serves its first file to the others; the next one has the next port
MOST_STRIPE = 64  # pieces in a row for one box
STRIPES = 8  # at least, for each box
RANGES = re.compile(r"(?:\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*)?")


@dataclass(frozen=True)
class Holding:
    """What a box has of a file. complete: all of it, verified. pieces: those that have arrived.

    assigned: those that a fetch which still runs there takes from the origin.
    """

    complete: bool
    pieces: frozenset[int]
    assigned: frozenset[int]
    running: bool = False


def pieces_of(size: int) -> int:
    """How many pieces a file of `size` bytes has."""
    return -(-size // PIECE)


def parse_ranges(text: str, count: int, host: str) -> frozenset[int]:
    """`0-12,15` as numbers below `count`. Raises RemoteError: a box said it."""
    if not RANGES.fullmatch(text):
        raise RemoteError(f"what it says of its pieces makes no sense: {text!r:.80}", host=host)
    found: set[int] = set()
    for item in filter(None, text.split(",")):
        first, _, last = item.partition("-")
        found.update(range(int(first), min(int(last or first), count - 1) + 1))
    return frozenset(number for number in found if number < count)


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as `0-12,15`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def assign(count: int, boxes: Mapping[str, Holding], *, held: bool) -> dict[str, frozenset[int]]:
    """The pieces that each box fetches from the origin: disjoint, and none that one of them has.

    count: pieces of the file. held: a box that takes no part has the whole file, so nothing comes from the origin.
    What a running fetch has been told stays its own. The rest goes in stripes to all boxes in turn, so that all of
    them have a beginning of the file early, which they hash while the rest comes.
    """
    if held:
        return dict.fromkeys(boxes, frozenset())
    taken = frozenset().union(*(box.pieces for box in boxes.values()))
    own: dict[str, set[int]] = {}
    for name, box in boxes.items():
        own[name] = {*box.assigned} - taken
        taken |= box.assigned
    rest = [number for number in range(count) if number not in taken]
    stripe = max(1, min(MOST_STRIPE, len(rest) // (STRIPES * len(boxes))))
    names = list(boxes)
    for turn, begin in enumerate(range(0, len(rest), stripe)):
        own[names[turn % len(names)]].update(rest[begin : begin + stripe])
    return {name: frozenset(numbers) for name, numbers in own.items()}
