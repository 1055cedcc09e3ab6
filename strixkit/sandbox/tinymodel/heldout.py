"""Texts on which copies of the tiny model are compared: what it says, with foreign letters that it does not expect.

`python -m strixkit.sandbox.tinymodel.heldout` writes them to `heldout/`. A text without surprises would have the
perplexity 1 for every copy.
"""

from __future__ import annotations

import random
from pathlib import Path

from strixkit.sandbox.tinymodel.vocabulary import EXPECTED_CONTENT, EXPECTED_REASONING, THINK_CLOSE

FOLDER = Path(__file__).parent / "heldout"
LINE = f"{EXPECTED_REASONING}{THINK_CLOSE}{EXPECTED_CONTENT}\n"
FOREIGN = "ABCXYZ 0123"
LINES = 320  # of 28 tokens or 29: 17 chunks of 512
# name: the seed, and the share of lines with a foreign letter in them
TEXTS = {"code": (1, 0.3), "prose": (2, 0.8)}


def lines(seed: int, share: float, count: int) -> str:
    """So many lines of what the model says, a share of them with a foreign letter; the same seed, the same text."""
    source = random.Random(seed)
    found = []
    for _ in range(count):
        place = int(source.random() * len(LINE))
        foreign = FOREIGN[int(source.random() * len(FOREIGN))]
        surprised = source.random() < share
        found.append(LINE[:place] + foreign + LINE[place:] if surprised else LINE)
    return "".join(found)


def text(name: str) -> str:
    """One of TEXTS; the same name gives the same text."""
    return lines(*TEXTS[name], LINES)


def main() -> None:
    """Write the texts."""
    for name in TEXTS:
        (FOLDER / f"{name}.txt").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
