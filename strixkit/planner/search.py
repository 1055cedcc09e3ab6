"""The search: the first of all candidates, in lexicographic order, that fits."""

from __future__ import annotations

from collections.abc import Callable

from strixkit.planner.candidates import Wishes
from strixkit.planner.run import Run

Fits = Callable[[Run], bool]


def best(wishes: Wishes, fits: Fits, start: Run | None = None, skip: int = 0) -> Run | None:
    """Each wish in turn takes its best value that fits while those after it are at their least.

    So a few dozen candidates are looked at, and more memory never gives a worse plan: what a wish could have with
    less, it can have with more.

    start, skip: the first `skip` wishes stay as they are in `start`, whose others are at their least.
    Returns None if nothing fits.
    """
    run = start or wishes.least
    for wish in wishes.order[skip:]:
        better = next((value for value in wish.values if fits(wish.on(run, value))), None)
        if better is None:
            return None
        run = wish.on(run, better)
    return run if fits(run) else None
