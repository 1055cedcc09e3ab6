"""How far llama-perplexity is, from what it has written so far.

Stands alone on purpose: only the standard library, Python 3.9, nothing of strixkit, since the agent on the box imports
this same file. The output is untrusted text.
"""

from __future__ import annotations

import re

_CHUNKS = re.compile(r"(?:calculating perplexity|computing) over ([0-9]{1,9}) chunks")
# `[12]6.1234,` of a run alone, `  12      6.1234 ` of one against a base.
_DONE = re.compile(r"\[([0-9]{1,9})\]-?[0-9.naif]+,|^ *([0-9]{1,9}) +-?[0-9.naif]+ ± ", re.MULTILINE)


class Meter:
    """Hears the output in pieces, of which no number is cut. chunks: of all, 0 until it is said. done: how many."""

    def __init__(self) -> None:
        self.chunks = 0
        self.done = 0

    def hear(self, text: str) -> None:
        """Some text more, or the same once more."""
        said = _CHUNKS.search(text)
        if said is not None:
            self.chunks = int(said[1])
        for found in _DONE.finditer(text):
            self.done = min(max(self.done, int(found[1] or found[2])), self.chunks)

    def text(self, seconds: float) -> str:
        """For people, empty as long as nothing is known; seconds: since the run began."""
        if not self.chunks:
            return ""
        words = f"chunk {self.done}/{self.chunks}"
        if not self.done or self.done >= self.chunks:
            return words
        return f"{words}, {duration(seconds / self.done * (self.chunks - self.done))} left"


def duration(seconds: float) -> str:
    """As far as anybody cares: 40 s, 3 min, 2 h 5 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
