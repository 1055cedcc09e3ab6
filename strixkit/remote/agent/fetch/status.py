"""How far a fetch is: bytes, rates, and in words what it waits for. For several threads."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, Tuple

from strixkit.remote.agent.fetch.store import Store

RATE_SECONDS = 10


class Status:
    """Workers tell it what arrives; it tells everybody else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._words: "Dict[str, str]" = {}
        self._arrived: "Deque[Tuple[float, str, int]]" = deque()
        self._since = time.monotonic()

    def say(self, who: str, words: str) -> None:
        """What `who` waits for; an empty text when it works."""
        with self._lock:
            if words:
                self._words[who] = words
            else:
                self._words.pop(who, None)

    def arrived(self, source: str, number: int) -> None:
        """So many bytes have come."""
        now = time.monotonic()
        with self._lock:
            self._arrived.append((now, source, number))
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self._arrived and self._arrived[0][0] < now - RATE_SECONDS:
            self._arrived.popleft()

    def value(self) -> "Dict[str, Any]":
        """size, have, sources (bytes), rates (bytes a second, by source), seconds_left (None: unknown), state."""
        sources = self._store.sources()
        have = sum(sources.values())
        now = time.monotonic()
        rates: "Dict[str, int]" = {}
        with self._lock:
            self._forget(now)
            # Right after the start there are no ten seconds to look back on.
            seconds = max(1.0, min(RATE_SECONDS, now - self._since))
            for _, source, number in self._arrived:
                rates[source] = rates.get(source, 0) + number
            words = ", ".join(sorted(set(self._words.values())))
        rates = {source: int(number / seconds) for source, number in rates.items()}
        rate = sum(rates.values())
        left = int((self._store.size - have) / rate) if rate else None
        return {
            "size": self._store.size,
            "have": have,
            "pieces": self._store.number,
            "done": len(self._store.have),
            "sources": sources,
            "rates": rates,
            "seconds_left": left,
            "state": words,
        }


def replace(path: str, value: Any) -> None:
    """Replace a file by a JSON value, without waiting for the disk; a full one is no reason to end."""
    with contextlib.suppress(OSError):
        with open(path + ".new", "w") as handle:
            json.dump(value, handle)
        os.replace(path + ".new", path)


def words(value: "Dict[str, Any]") -> str:
    """`[have/all] ...` for a person, as displays count it."""
    rates, left = value["rates"], value["seconds_left"]
    text = "[%d/%d] %s of %s" % (value["done"], value["pieces"], gigabytes(value["have"]), gigabytes(value["size"]))
    if rates:
        text += ", %.1f MB/s" % (sum(rates.values()) / 1e6)
        if list(rates) != ["origin"]:
            text += " (%s)" % ", ".join("%s %.1f" % (name, rate / 1e6) for name, rate in sorted(rates.items()))
    if left is not None and value["done"] < value["pieces"]:
        text += ", %s left" % duration(left)
    return text + (", " + value["state"] if value["state"] else "")


def gigabytes(number: int) -> str:
    """Bytes for a person."""
    return "%.2f GB" % (number / 1e9) if number >= 10**9 else "%.1f MB" % (number / 1e6)


def duration(seconds: int) -> str:
    """Seconds for a person."""
    if seconds < 120:
        return "%d s" % seconds
    return "%d min" % (seconds // 60) if seconds < 7200 else "%d h %d min" % (seconds // 3600, seconds // 60 % 60)
