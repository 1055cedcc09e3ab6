"""Which variant is worse: by the paired difference and its error, on the same chunks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.runtime.judge import judge
from strixkit.runtime.perplexity import Measure, Run, parse_divergence

DATA = Path(__file__).parents[2] / "data/perplexity"
RUNS = {name: parse_divergence((DATA / f"kld-{name}.txt").read_text()) for name in ("q8_0", "q4_0", "q2_k")}


def run(ratio: str, error: str, kld: str = "0.010000", kld_error: str = "0.000100", chunks: int = 9) -> Run:
    return Run(chunks, 512, chunks, {"ln_ratio": Measure(ratio, error), "kld": Measure(kld, kld_error)})


def test_captured_variants() -> None:
    found = {(item.worse, item.better, item.measure) for item in judge("code", RUNS)}
    assert found == {
        ("q2_k", "", "ln_ratio"),  # 0.000579 ± 0.000185
        ("q2_k", "q8_0", "ln_ratio"),
        ("q4_0", "q8_0", "kld"),
        ("q4_0", "q2_k", "kld"),  # its output head is in Q6_K
        ("q2_k", "q8_0", "kld"),
    }


def test_the_perplexities_own_errors_say_nothing() -> None:
    """They are hundreds of times the difference, because they are those of the text."""
    one, other = RUNS["q2_k"].measures["ppl"], RUNS["q8_0"].measures["ppl"]
    assert one.value - other.value < min(one.error or 0, other.error or 0) / 50


def test_a_difference_within_the_error_is_none() -> None:
    assert not judge("code", {"a": run("0.0003", "0.0004"), "b": run("0.0001", "0.0003")})
    [found] = [
        item for item in judge("code", {"a": run("0.0007", "0.0004"), "b": run("0.0001", "0.0003")}) if item.better
    ]
    assert (found.worse, found.better) == ("a", "b")
    assert (found.difference, found.error) == (pytest.approx(0.0006), pytest.approx(0.0005))
    assert found.times == pytest.approx(1.2)


def test_an_error_that_is_rounded_away_is_not_none() -> None:
    one, other = run("0.0", "0.0", "0.000001", "0.000000"), run("0.0", "0.0", "0.000000", "0.000000")
    assert not judge("code", {"a": one, "b": other})


def test_other_chunks_do_not_compare() -> None:
    with pytest.raises(ValueError, match="different chunks"):
        judge("code", {"a": run("0.1", "0.1"), "b": run("0.1", "0.1", chunks=8)})


numbers = st.integers(-2000, 2000).map(lambda n: f"{n / 1e6:.6f}")
errors = st.integers(0, 500).map(lambda n: f"{n / 1e6:.6f}")


@given(st.dictionaries(st.sampled_from("abcd"), st.builds(run, numbers, errors, errors, errors)))
def test_no_two_are_worse_than_each_other(runs: dict[str, Run]) -> None:
    found = judge("code", runs)
    pairs = {(item.measure, item.worse, item.better) for item in found}
    assert not pairs & {(measure, better, worse) for measure, worse, better in pairs}
    assert all(item.times > 1 and math.isfinite(item.times) for item in found)
