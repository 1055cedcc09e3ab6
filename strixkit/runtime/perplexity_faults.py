"""From llama-perplexity's own words to why there is no result, and what to do. It ends with 0 all the same."""

from __future__ import annotations

import re

from strixkit.runtime import log
from strixkit.runtime.log import Cause

LONGER = "a longer text in `evaluation:` of the model's file in profiles/models/"
AGAIN = "the same command makes the base's logits again"

# kind, pattern, what it means, what to do. The first that matches wins: causes before their consequences.
_FAULTS = (
    ("too-short", r"you need at least \d+ tokens|the data file you provided tokenizes to only \d+ tokens",
     "the text is too short", LONGER),
    ("unwritable", r"failed to open (\S+) for writing", "the base's logits cannot be written",
     "does the folder exist, and may the unit write there?"),
    ("other-context", r"find_slot: n_tokens = \d+ > size = \d+",
     "the base's logits are of chunks of another length than this run's context", AGAIN),
    ("no-base", r"you must provide a name of a file containing the log probabilities[^\n]*"
     r"|kl_divergence: failed to open [^\n]+", "the base's logits are not there", AGAIN),
    ("not-a-base", r"[^\n]* does not look like a file containing log-probabilities",
     "the file of the base's logits is none", AGAIN),
    ("cut-base", r"failed reading (?:n_vocab|evaluation tokens|log-probs)[^\n]*",
     "the file of the base's logits ends too early", "is the disk full? then make room; " + AGAIN),
    ("no-text", r"error while handling argument \"-f\"[^\n]*", "the text cannot be read",
     "invoke evaluate sends it again"),
    ("too-predictable", r"Unexpected negative standard deviation of log\(prob\)",
     "every token of the text is as likely as the next, so that nothing can be compared", "another text"),
)  # fmt: skip
# The program goes on all the same, and prints statistics of nonsense.
_NONSENSE = (
    ("other-vocabulary", r"inconsistent vocabulary \(\d+ vs \d+\)",
     "the base has another vocabulary than this file", "the base must be the model that the file was quantised from"),
)  # fmt: skip
_DECODE = ("not-computed", r"failed to (?:decode|eval)[^\n]*", "the model could not compute the text",
           "invoke doctor says what is wrong with the device")  # fmt: skip
_LOAD = ("not-loaded", r"unable to load model|failed to load model[^\n]*", "the model cannot be loaded",
         "invoke inspect HOST:PATH says whether this runtime knows the file")  # fmt: skip


def nonsense(output: str) -> Cause | None:
    """Why the numbers mean nothing, however complete they are, or None."""
    return next((cause for row in _NONSENSE if (cause := _found(output, *row))), None)


def fault(output: str) -> Cause | None:
    """Why a run has no result, or None: what is said of the evaluation, then what a server would say of the model."""
    for row in _FAULTS:
        if cause := _found(output, *row):
            return cause
    if cause := log.cause(output):
        return cause
    return _found(output, *_DECODE) or _found(output, *_LOAD)


def _found(output: str, kind: str, pattern: str, words: str, hint: str) -> Cause | None:
    found = dict.fromkeys(match[0].strip()[:160] for match in re.finditer(pattern, output))
    return Cause(kind, f"{words}: {', '.join(list(found)[:2])}", hint) if found else None
