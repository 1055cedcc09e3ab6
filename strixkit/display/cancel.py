"""What became of work on boxes that a person has cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from strixkit.display.text import clean
from strixkit.fleet.cancel import Cancelled


def lines(found: Sequence[Cancelled], verb: str) -> list[str]:
    """One line for each host."""
    return [clean(f"{item.host}: {_text(item, verb)}") for item in found]


def _text(item: Cancelled, verb: str) -> str:
    if item.error:
        return item.error
    if not item.ended:
        return f"no {verb} is at work"
    return f"{', '.join(item.ended)} ended; what is there is kept for the next invoke {verb}"
