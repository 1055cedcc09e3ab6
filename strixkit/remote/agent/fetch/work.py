"""Which pieces are still to be fetched, and who is at which; no piece is given to two workers at once."""

from __future__ import annotations

import random
import threading
from typing import Iterable, Optional, Set, Tuple

Run = Tuple[int, int]  # first and last piece
RUN_PIECES = 64  # of one request at most: the connections stay near each other, so that the hash can follow

FIRST_SHARE = 0.25


class Work:
    """missing: pieces that are not there. own: those of them that this box fetches from the origin."""

    def __init__(self, missing: "Iterable[int]", own: "Iterable[int]") -> None:
        self._lock = threading.Lock()
        self._free = set(missing)  # that nobody is at
        self._own = set(own) & self._free  # that are not there, whoever is at them

    def take_own(self, workers: int) -> "Optional[Run]":
        """The next run for one of `workers` connections to the origin; shorter ones near the end keep all at work."""
        with self._lock:
            free = self._own & self._free
            if not free:
                return None
            first = min(free)
            most = max(1, min(RUN_PIECES, -(-len(free) // (2 * workers))))
            return self._take(first, most, free)

    def take_shared(self, has: "Set[int]", most: int) -> "Optional[Run]":
        """A run of those that a peer has. By chance: peers that all took the first could give each other nothing.

        Now and then the first one, so that the hash of the whole file can follow.
        """
        with self._lock:
            free = self._free & has
            if not free:
                return None
            first = min(free) if random.random() < FIRST_SHARE else random.choice(sorted(free))
            return self._take(first, most, free)

    def _take(self, first: int, most: int, free: "Set[int]") -> Run:
        last = first
        while last - first + 1 < most and last + 1 in free:
            last += 1
        self._free.difference_update(range(first, last + 1))
        return first, last

    def take_all_own(self) -> None:
        """All that is free of the origin's: one connection reads the whole file."""
        with self._lock:
            self._free -= self._own

    def done(self, index: int) -> None:
        """A piece is there."""
        with self._lock:
            self._own.discard(index)
            self._free.discard(index)

    def give_back(self, indices: "Iterable[int]") -> None:
        """Pieces that were taken and are not there."""
        with self._lock:
            self._free.update(indices)

    def own(self) -> "Set[int]":
        """Pieces that the origin is still to give to this box."""
        with self._lock:
            return set(self._own)
