"""The recorded completions: what ships fits together, and what a comparison takes and refuses."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest

from strixkit import golden
from strixkit.remote.agent.build import golden as compare

EXPECTED: dict[str, Any] = {
    "tolerance": 0.1,
    "tokens": [
        {"id": 97, "text": "a", "top": [[97, -0.5], [98, -2.0]]},
        {"id": 98, "text": "b", "top": [[98, -0.1], [99, -4.0]]},
    ],
}


def answer(**changes: float) -> dict[str, Any]:
    """As llama-server answers /completion; `changes` are log-probabilities by position and id: p0_98=-1.0."""
    rows = [{97: -0.5, 98: -2.0, 50: -9.0}, {98: -0.1, 99: -4.0, 50: -9.0}]
    for name, value in changes.items():
        position, _, token = name[1:].partition("_")
        rows[int(position)][int(token)] = value
    return {
        "completion_probabilities": [
            {
                "id": max(row, key=lambda token: row[token]),
                "token": "x",
                "top_logprobs": [{"id": token, "token": "x", "logprob": value} for token, value in row.items()],
            }
            for row in rows
        ]
    }


@pytest.mark.parametrize("loads", ["rocmfp4", "stock"])
def test_what_ships_is_whole(loads: str) -> None:
    expected = golden.expected(loads)
    assert expected is not None
    data = golden.model(loads).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (expected["bytes"], expected["sha256"])
    assert len(expected["tokens"]) == expected["request"]["n_predict"]
    for mark in ("{model}", "{device}", "{port}"):
        assert mark in expected["arguments"]
    differences = [row["nats"] for row in expected["measured"]]
    assert differences
    assert max(differences) < expected["tolerance"], "what was measured of good builds is within the tolerance"


def test_nothing_is_recorded_for_other_models() -> None:
    assert golden.expected("unknown") is None


def test_the_largest_difference_is_returned() -> None:
    assert compare.largest_difference(EXPECTED, answer()) == 0.0
    assert compare.largest_difference(EXPECTED, answer(p0_98=-2.05, p1_99=-3.92)) == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(p1_99=-4.2), "token 2 of 2: log-probability of token 99 is -4.2000, wanted -4.0000 within 0.1"),
        (answer(p0_98=-0.4), "token 1 of 2: found 'x', wanted 'a'"),
        (answer(p1_99=float("nan")), "is nan"),
        (answer(p1_99=float("-inf")), "is -inf"),
        ({"completion_probabilities": answer()["completion_probabilities"][:1]}, "token 2 of 2: found the end"),
        ({"content": "ab"}, "no probabilities"),
        ([], "no probabilities"),
        ({"completion_probabilities": [{"id": 97, "token": "a", "top_logprobs": "x"}]}, "no probabilities"),
    ],
)
def test_what_is_computed_wrong_is_told(given: Any, words: str) -> None:
    with pytest.raises(compare.Wrong) as raised:
        compare.largest_difference(EXPECTED, given)
    assert words in str(raised.value)


def test_a_token_that_is_no_longer_likely_is_told() -> None:
    given = copy.deepcopy(answer())
    given["completion_probabilities"][0]["top_logprobs"].pop(1)
    with pytest.raises(compare.Wrong, match=r"token 1 of 2: found no token 98 .* wanted it at -2\.0000"):
        compare.largest_difference(EXPECTED, given)


def test_what_is_recorded_is_repeated_exactly() -> None:
    tokens = compare.recorded(answer(), 2)
    assert [row["top"] for row in tokens] == [row["top"] for row in EXPECTED["tokens"]]
    assert compare.largest_difference({"tolerance": 0.0, "tokens": tokens}, answer()) == 0.0
