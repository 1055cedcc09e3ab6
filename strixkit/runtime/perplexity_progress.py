"""How far llama-perplexity is, from its output so far.

Stands alone on purpose: only the standard library, Python 3.9, nothing of strixkit, since the agent on the box imports
this same file. The output is untrusted text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CHUNKS = re.compile(rb"(?:calculating perplexity|computing) over ([0-9]{1,9}) chunks")
# `[12]6.1234,` of a run alone, `  12      6.1234 ` of one against a base.
_DONE = re.compile(rb"\[([0-9]{1,9})\]-?[0-9.naif]+,|^ *([0-9]{1,9}) +-?[0-9.naif]+ \xc2\xb1 ", re.MULTILINE)


class Progress(NamedTuple):
    """Chunks that are done, and all of them."""

    done: int
    chunks: int

    def text(self, seconds: float) -> str:
        """For people; seconds: since the run began."""
        words = f"chunk {self.done}/{self.chunks}"
        if not self.done or self.done >= self.chunks:
            return words
        return f"{words}, {duration(seconds / self.done * (self.chunks - self.done))} left"


def progress(output: bytes) -> Progress | None:
    """None until the program has said how many chunks there are."""
    said = _CHUNKS.search(output)
    if said is None:
        return None
    numbers = [int(found[1] or found[2]) for found in _DONE.finditer(output)]
    return Progress(min(max(numbers, default=0), int(said[1])), int(said[1]))


def duration(seconds: float) -> str:
    """Rounded up as far as anybody cares: 40 s, 3 min, 2 h 5 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
