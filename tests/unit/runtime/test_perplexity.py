"""llama-perplexity's output, held against captured runs, whole and cut (tests/data/perplexity/README.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.runtime.perplexity import Measure, Run, parse_divergence, parse_perplexity

DATA = Path(__file__).parents[2] / "data/perplexity"
CAPTURES = {path.stem: path.read_text() for path in sorted(DATA.glob("*.txt"))}
# What a result may be made of: the final statistics, or the row of the ninth and last chunk.
PPL = {"ppl": Measure("1.9130", "0.08190")}
PPL_ROW = {"ppl": Measure("1.9130")}
KLD = {
    "ppl": Measure("1.914071", "0.081597"),
    "base_ppl": Measure("1.912962", "0.081896"),
    "ln_ratio": Measure("0.000579", "0.000185"),
    "kld": Measure("0.000054", "0.000001"),
    "delta_p": Measure("0.267", "0.001"),
    "same_top": Measure("100.000", "0.000"),
    "kld_max": Measure("0.000190"),
    "kld_99": Measure("0.000176"),
    "kld_median": Measure("0.000052"),
}
KLD_ROW = {
    "ppl": Measure("1.9141", "0.0816"),
    "ln_ratio": Measure("0.00058", "0.00019"),
    "kld": Measure("0.00005", "0.00000"),
    "delta_p": Measure("0.267", "0.001"),
    "same_top": Measure("100.000", "0.000"),
}
RUNS: list[tuple[str, Callable[[str], Run], dict[str, Measure], dict[str, Measure]]] = [
    ("base", parse_perplexity, PPL, PPL_ROW),
    ("kld-q2_k", parse_divergence, KLD, KLD_ROW),
]


@pytest.mark.parametrize(("name", "parse", "final", "row"), RUNS)
def test_a_whole_run(
    name: str, parse: Callable[[str], Run], final: dict[str, Measure], row: dict[str, Measure]
) -> None:
    assert parse(CAPTURES[name]) == Run(9, 512, 9, final)


def test_numbers_are_kept_as_printed() -> None:
    found = parse_divergence(CAPTURES["kld-q8_0"]).measures
    assert found["ln_ratio"].text == "-0.000022 ± 0.000021"
    assert (found["ln_ratio"].value, found["ln_ratio"].error) == (-0.000022, 0.000021)
    assert found["kld_max"].error is None
    assert all(measure.printed in CAPTURES["kld-q8_0"] for measure in found.values())


@pytest.mark.parametrize(("name", "parse", "final", "row"), RUNS)
def test_cut_at_any_byte(
    name: str, parse: Callable[[str], Run], final: dict[str, Measure], row: dict[str, Measure]
) -> None:
    """The right numbers, or none; and the cumulative row is told as such."""
    text = CAPTURES[name]
    seen = set()
    for end in range(len(text)):
        run = parse(text[:end])
        assert run.cause is None
        if not run.measures:
            seen.add("incomplete")
        elif run.cumulative:
            assert run.measures == row
            seen.add("cumulative")
        else:
            assert run.measures == final
            seen.add("final")
    assert seen >= {"incomplete", "cumulative"}


@pytest.mark.parametrize(("name", "parse", "final", "row"), RUNS)
@given(data=st.data())
def test_any_lines_lost(
    name: str,
    parse: Callable[[str], Run],
    final: dict[str, Measure],
    row: dict[str, Measure],
    data: st.DataObject,
) -> None:
    lines = CAPTURES[name].splitlines(keepends=True)
    kept = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    run = parse("".join(line for line, keep in zip(lines, kept, strict=True) if keep))
    for key, measure in run.measures.items():
        assert measure == (row if run.cumulative else final)[key]


@pytest.mark.parametrize(
    ("name", "parse", "chunks", "done"),
    [("ppl-lost", parse_perplexity, 4, 3), ("kld-lost", parse_divergence, 9, 8), ("killed", parse_perplexity, 9, 3)],
)
def test_a_run_that_lost_its_end_has_no_result(name: str, parse: Callable[[str], Run], chunks: int, done: int) -> None:
    assert parse(CAPTURES[name]) == Run(chunks, 512, done, {})


@pytest.mark.parametrize("parse", [parse_perplexity, parse_divergence])
@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("too-short", "too-short", "you need at least 1024 tokens, the data file you provided tokenizes to only 228"),
        ("empty", "too-short", "tokenizes to only 0 tokens"),
        ("no-text", "no-text", "failed to open file '/nowhere'"),
        ("no-model", "model-missing", "/nowhere.gguf"),
        ("cut-model", "truncated-model", "tensor 'blk.6.ffn_down.weight'"),
        ("no-device", "no-such-device", "Vulkan7"),
        ("no-base", "no-base", "failed to open nowhere.kld"),
        ("no-base-argument", "no-base", "you must provide a name of a file"),
        ("unwritable", "unwritable", "/nowhere/base.kld"),
        ("no-logits", "not-a-base", "nobasemagic.kld"),
        ("cut-base", "cut-base", "log-probs for chunk 2"),
        ("cut-base-early", "cut-base", "evaluation tokens from cut2.kld"),
        ("other-context", "other-context", "n_tokens = 512 > size = 256"),
        ("other-vocabulary", "other-vocabulary", "265 vs 264"),
    ],
)
def test_known_failures_are_causes(parse: Callable[[str], Run], name: str, kind: str, said: str) -> None:
    run = parse(CAPTURES[name])
    assert run.cause is not None
    assert run.cause.kind == kind
    assert said in run.cause.words
    assert run.cause.hint
    assert not run.measures


def test_no_number_is_no_result() -> None:
    """The rows of a base with another vocabulary, without the line that says so: it is lost like any other."""
    lines = CAPTURES["other-vocabulary"].splitlines(keepends=True)
    rows = "".join(line for line in lines if "inconsistent" not in line and "failed reading" not in line)
    run = parse_divergence(rows)
    assert run.cause is not None
    assert run.cause.kind == "not-a-number"
    assert not run.measures


def test_a_prediction_without_variance_is_told() -> None:
    said = "calculating perplexity over 2 chunks, n_ctx=512\n[1]1.0000,\n"
    said += "Unexpected negative standard deviation of log(prob)\n"
    run = parse_perplexity(said)
    assert run.cause is not None
    assert run.cause.kind == "too-predictable"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert not parse_perplexity(text).measures
    assert not parse_divergence(text).measures
