"""A completion that was recorded once, against what a server computes now. Pure.

A build that computes wrong still answers fluently, so the words alone prove little: the logarithms of the probabilities
of the likeliest tokens are compared at each position.
"""

from __future__ import annotations

from typing import Any, Dict, List


class Wrong(ValueError):
    """The server does not compute what was recorded; says position, found and wanted."""


def largest_difference(expected: "Dict[str, Any]", answer: Any) -> float:
    """Compare an answer of /completion; returns the largest difference of a log-probability, in nats.

    expected: `tokens`, a list of {"id", "text", "top": [[id, logprob], ...]} with the likeliest first, and `tolerance`
    in nats. Raises Wrong.
    """
    try:
        found = [_position(item) for item in answer["completion_probabilities"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Wrong("the answer has no probabilities: %s" % str(answer)[:300]) from error
    wanted, tolerance = expected["tokens"], float(expected["tolerance"])
    largest = 0.0
    for index, token in enumerate(wanted):
        where = "token %d of %d" % (index + 1, len(wanted))
        if index >= len(found):
            raise Wrong("%s: found the end of the answer, wanted %r" % (where, token["text"]))
        if found[index]["id"] != token["id"]:
            raise Wrong("%s: found %r, wanted %r" % (where, found[index]["text"], token["text"]))
        for other, logprob in token["top"]:
            now = found[index]["top"].get(other)
            if now is None:
                raise Wrong("%s: found no token %d among the likely ones, wanted it at %.4f" % (where, other, logprob))
            difference = abs(now - float(logprob))
            if not difference <= tolerance:  # NaN is no small difference
                text = "%s: log-probability of token %d is %.4f, wanted %.4f within %g"
                raise Wrong(text % (where, other, now, logprob, tolerance))
            largest = max(largest, difference)
    return largest


def _position(item: "Dict[str, Any]") -> "Dict[str, Any]":
    top = {int(row["id"]): float(row["logprob"]) for row in item["top_logprobs"]}
    return {"id": int(item["id"]), "text": str(item["token"]), "top": top}


def recorded(answer: "Dict[str, Any]", most: int) -> "List[Dict[str, Any]]":
    """`tokens` of an expectation from an answer: of each position the `most` likeliest."""
    tokens: "List[Dict[str, Any]]" = []
    for item in answer["completion_probabilities"]:
        rows = sorted(item["top_logprobs"], key=lambda row: -float(row["logprob"]))[:most]
        top = [[int(row["id"]), round(float(row["logprob"]), 5)] for row in rows]
        tokens.append({"id": int(item["id"]), "text": str(item["token"]), "top": top})
    return tokens
