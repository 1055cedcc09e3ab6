"""An end to waiting: a read of a driver's file never returns while the driver hangs, and no signal reaches it."""

from __future__ import annotations

import threading
from typing import Callable, List, TypeVar

Value = TypeVar("Value")


class NoAnswer(RuntimeError):
    """Nothing came in time."""


def within(seconds: float, work: Callable[[], Value], what: str) -> Value:
    """The result of `work`, on a thread of its own. Raises NoAnswer, and what `work` raises."""
    results: List[Value] = []
    errors: List[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise NoAnswer(
            "%s: no answer within %g s; a driver that hangs lets whoever reads its files wait for ever\n"
            "  next: reboot the box" % (what, seconds)
        )
    return results[0]
