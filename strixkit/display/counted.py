"""Progress that counts: ninja says [n/m] before each of its steps."""

from __future__ import annotations

import re

COUNT = re.compile(r"\[([0-9]{1,7})/([0-9]{1,7})\] ")
WIDTH = 20


def share(text: str) -> float | None:
    """How much is done, 0 to 1; None for a text that does not count."""
    found = COUNT.match(text)
    if not found or int(found[2]) == 0:
        return None
    return min(1.0, int(found[1]) / int(found[2]))


def bar(done: float) -> str:
    """A bar of WIDTH characters and the percentage."""
    full = round(done * WIDTH)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {done:4.0%}"


class Tenths:
    """Which counts are worth a line in a log: the first, each new tenth, the last."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], int] = {}

    def worth(self, host: str, resource: str, text: str) -> bool:
        """Whether to say it; what does not count always is."""
        done = share(text)
        if done is None:
            self._said.pop((host, resource), None)
            return True
        tenth = int(done * 10)
        if self._said.get((host, resource), -1) >= tenth:
            return False
        self._said[host, resource] = tenth
        return True
