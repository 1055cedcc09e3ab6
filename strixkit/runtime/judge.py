"""Variants of a model beside each other: which one is worse than another, by more than the error.

All variants are run on the same tokens against the logits of one base. So what counts is the paired difference that
llama-perplexity prints itself, `Mean ln(PPL(Q)/PPL(base))`: its error is that of the difference token by token, while
the ± of a perplexity is mostly how much the tokens of the text differ from each other, the same for every variant. Of
two variants A and B with x ± e each, the difference is x(A) - x(B) and its error sqrt(e(A)² + e(B)²). The errors of A
and B are those of the same tokens and mostly go the same way, so that the true one is smaller: nothing is said to be
worse too easily. It is never taken for less than one unit of the last digit that was printed. The mean KL divergence
is compared in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

from strixkit.runtime.perplexity import Measure, Run

COMPARED = ("ln_ratio", "kld")


@dataclass(frozen=True)
class Worse:
    """`worse` is worse than `better` on a text; better: "" for the base itself.

    measure: of COMPARED. difference and error: in nats. times: how many errors the difference is.
    """

    text: str
    measure: str
    worse: str
    better: str
    difference: float
    error: float

    @property
    def times(self) -> float:
        """The difference in units of its error."""
        return self.difference / self.error


def judge(text: str, runs: Mapping[str, Run]) -> tuple[Worse, ...]:
    """All that is worse by more than the error, of runs with a result on one text against one base, by variant.

    Raises ValueError for runs of another number of chunks: they are not of the same tokens.
    """
    if len({(run.chunks, run.context) for run in runs.values()}) > 1:
        raise ValueError(f"{text}: runs of different chunks do not compare")
    return tuple(found for found in _pairs(text, runs) if found.difference > found.error)


def _pairs(text: str, runs: Mapping[str, Run]) -> Iterator[Worse]:
    for name, run in runs.items():
        ratio = run.measures["ln_ratio"]
        yield Worse(text, "ln_ratio", name, "", ratio.value, max(ratio.error or 0.0, _unit(ratio)))
    for measure in COMPARED:
        for (worse, one), (better, other) in permutations(runs.items(), 2):
            a, b = one.measures[measure], other.measures[measure]
            error = max(math.hypot(a.error or 0.0, b.error or 0.0), _unit(a), _unit(b))
            yield Worse(text, measure, worse, better, a.value - b.value, error)


def _unit(measure: Measure) -> float:
    """One unit of the last digit that was printed."""
    return 10.0 ** -len(measure.printed.partition(".")[2])
