"""What became of builds that a person has cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from strixkit.display.text import clean
from strixkit.fleet.build import Cancelled

KEPT = "ended; what it has compiled is kept for the next invoke build"


def lines(found: Sequence[Cancelled]) -> list[str]:
    """One line for each host."""
    return [clean(f"{item.host}: {_text(item)}") for item in found]


def _text(item: Cancelled) -> str:
    if item.error:
        return item.error
    return f"{', '.join(item.builds)} {KEPT}" if item.builds else "nothing is being built"
