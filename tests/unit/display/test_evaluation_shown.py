"""An evaluation as lines, JSON and a picture: numbers as they were printed, in each of them."""

from __future__ import annotations

import builtins
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strixkit.display import evaluation_plot
from strixkit.display.evaluation import document, lines
from strixkit.display.result import dump
from strixkit.errors import InputError
from strixkit.runtime.evaluated import Claimed, Evaluated, File, OnText
from strixkit.runtime.perplexity import parse_divergence, parse_perplexity

DATA = Path(__file__).parents[2] / "data/perplexity"
BASE = parse_perplexity((DATA / "base.txt").read_text())
RUNS = {name: parse_divergence((DATA / f"kld-{name}.txt").read_text()) for name in ("q8_0", "q4_0", "q2_k")}
TEXT = OnText("code", "ab" * 32, 6000, "2 files of this project", BASE, RUNS)
FOUND = Evaluated(
    "box01", "tiny", "0.7.0", "CPU", File("/var/base.gguf", "cd" * 32), {"q8_0": File("/q8", "ef" * 32)}, (TEXT,)
)


def test_every_number_as_it_was_printed() -> None:
    shown = "\n".join(lines(FOUND))
    assert "card: PPL" not in shown
    for name, run in {"base": BASE, **RUNS}.items():
        printed = (DATA / f"{'' if name == 'base' else 'kld-'}{name}.txt").read_text()
        for measure in ("ppl", "ln_ratio", "kld", "same_top"):
            if measure in run.measures:
                assert run.measures[measure].text in shown
                assert run.measures[measure].printed in printed


def test_json_has_all_numbers() -> None:
    found = json.loads(dump(document(FOUND)))
    [text] = found["texts"]
    assert text["sha256"] == "ab" * 32
    assert text["base"]["measures"] == {"ppl": {"value": 1.913, "error": 0.0819, "printed": "1.9130 \xb1 0.08190"}}
    measures = text["variants"]["q2_k"]["measures"]
    assert measures["kld_max"] == {"value": 0.00019, "error": None, "printed": "0.000190"}
    assert set(measures) == set(RUNS["q2_k"].measures)
    assert found["worse"][0]["times"] > 1


def test_what_is_worse_is_said_in_words() -> None:
    shown = lines(FOUND)
    assert (
        "code: q2_k predicts WORSE than q8_0: its ln(PPL) is higher by 0.000601 ± 0.000186, 3.2 times the error"
        in shown
    )
    assert not [line for line in shown if re.match("code: q8_0 .*(WORSE|LESS)", line)]
    same = replace(FOUND, texts=(replace(TEXT, runs={"a": RUNS["q8_0"], "b": RUNS["q8_0"]}),))
    assert not [line for line in lines(same) if re.search("(WORSE|LESS FAITHFUL) than [ab]:", line)]
    alone = replace(FOUND, texts=(replace(TEXT, runs={"q4_0": RUNS["q4_0"]}),))
    assert "code: no variant is worse than another, or than the base, by more than the error" in lines(alone)


def test_the_cards_numbers_beside_ours() -> None:
    text = replace(TEXT, card={"q8_0": Claimed(1.8596, 0.0369, 96), "other": Claimed(1.8631)})
    shown = lines(replace(FOUND, texts=(text,), note="the card's texts are not published"))
    [ours] = [line for line in shown if " q8_0 " in line and "1.8596" in line]
    assert re.search(r"1\.912920 ± 0\.081881 .* 1\.8596  0\.0369 +96$", ours)
    assert [line for line in shown if re.match(r" +code +other +not run +1\.8631$", line)]
    assert "card: the card's texts are not published" in shown


def test_a_cumulative_row_is_told() -> None:
    text = (DATA / "kld-q4_0.txt").read_text()
    run = parse_divergence(text[: text.index("====== Perplexity")])
    shown = lines(replace(FOUND, texts=(replace(TEXT, runs={"q4_0": run}),)))
    assert "code, q4_0: the final statistics were lost; the numbers are those of the last row" in shown


@pytest.mark.parametrize(("name", "magic"), [("plot.svg", b"<?xml"), ("plot.png", b"\x89PNG")])
def test_a_picture(tmp_path: Path, name: str, magic: bytes) -> None:
    pytest.importorskip("matplotlib")
    found = replace(FOUND, texts=(TEXT, replace(TEXT, name="prose")))
    evaluation_plot.write(found, tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert data.startswith(magic)
    evaluation_plot.write(found, tmp_path / name)
    assert (tmp_path / name).read_bytes() == data
    if name.endswith("svg"):
        for word in ("code: perplexity", "prose: mean KL divergence, nats", "q2_k", "tiny on box01"):
            assert word in data.decode()


def test_what_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"wanted a name that ends with \.svg or \.png"):
        evaluation_plot.check(tmp_path / "plot.pdf")
    with pytest.raises(InputError, match="there is no folder"):
        evaluation_plot.check(tmp_path / "missing/plot.svg")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "matplotlib":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="matplotlib is not installed") as caught:
        evaluation_plot.check(tmp_path / "plot.svg")
    assert caught.value.hint == "pip install -e '.[plot]' in the project's folder"
