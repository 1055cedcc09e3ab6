"""How long to wait after an attempt that failed, and when to give up."""

from __future__ import annotations

import email.utils
import random
import threading
import time
from typing import Callable, NamedTuple, Optional

from strixkit.remote.agent.fetch.errors import AgainError, FetchError

ASKED_MOST = 600.0  # seconds that a server may ask to wait at once
ASKED_IN_ALL = 3600.0  # and in all, without a new byte


class Limits(NamedTuple):
    """Seconds. first, most: of the waits between attempts. give_up: without a new byte, beside what was asked for.

    peer: for a peer that cannot be reached. idle: a complete file is served on for so long without a request.
    answer: of one answer of a socket. connections: to the origin.
    """

    first: float = 1.0
    most: float = 60.0
    give_up: float = 300.0
    peer: float = 60.0
    idle: float = 120.0
    answer: float = 30.0
    connections: int = 4


class Patience:
    """Shared by all connections to one origin: bytes that one of them gets are a reason for all to go on."""

    def __init__(self, limits: Limits, name: str) -> None:
        self._limits = limits
        self._name = name
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._asked = 0.0
        self._until = 0.0

    def new_bytes(self) -> None:
        """Something came that was not there before."""
        with self._lock:
            self._since, self._asked = time.monotonic(), 0.0

    def failed(self, again: AgainError, tries: int) -> "tuple[float, str]":
        """How long to wait after `tries` failures in a row, and what to say. Raises FetchError to give up."""
        now = time.monotonic()
        longest = min(self._limits.most, self._limits.first * 2 ** min(tries, 16))
        usual = longest * random.uniform(0.5, 1.0)
        with self._lock:
            # Who asks for less than is waited anyway (0 s, a date that is past) is given up like any other.
            if again.seconds is not None and again.seconds > usual and self._asked < ASKED_IN_ALL:
                seconds = min(ASKED_MOST, again.seconds)
                # Several connections are told the same at the same time.
                self._asked += max(0.0, now + seconds - max(now, self._until))
                self._until = max(self._until, now + seconds)
                return seconds, "the hub asks to wait %d s" % round(seconds)
            if now - self._since - self._asked > self._limits.give_up:
                text = "%s gave nothing new for %d s: %s; what is there stays; next: the same command goes on"
                raise FetchError(text % (self._name, now - self._since, again))
        return usual, "%s: %s; again soon" % (self._name, again)

    def rest(self) -> float:
        """Seconds until the server wants to be asked again."""
        with self._lock:
            return max(0.0, self._until - time.monotonic())


def retry_after(value: "Optional[str]", now: "Callable[[], float]" = time.time) -> "Optional[float]":
    """Pure: seconds of a Retry-After header, which has a number or a date; None when it has neither."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
