"""A rehearsal as a person sees it: a table, the budget, and what is wrong; a box's words steer no terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strixkit.config.catalogue import load_model
from strixkit.config.profiles import load_profile
from strixkit.display.rehearsal import document, failed, lines
from strixkit.fleet.rehearse import Rehearsal
from strixkit.host.facts_file import load_answer
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Facts
from strixkit.planner.rehearsal import Rehearsed

FACTS = Path(__file__).parents[2] / "data/facts/framework-128gb.json"


@pytest.fixture(scope="module")
def planned() -> MemoryPlan:
    facts = Facts.model_validate(load_answer(FACTS)["facts"])
    shape = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
    assert shape is not None
    return plan(facts, shape, load_profile("coding"), "rocmfp4")


def rehearsal(planned: MemoryPlan, prompt: int = 0, **answer: Any) -> Rehearsal:
    sizes = {
        part.key: {"mib": part.mib, "largest_mib": part.mib}
        for part in planned.parts
        if part.when == "start" and not part.key.startswith("process.")
    }
    given = {"sizes": sizes, "offloaded": [66, 66], "n_ctx_seq": planned.sequence, "seconds": 1.4, **answer}
    return Rehearsal("strix01", "main", "coding", "0123456789ab", planned, prompt, Rehearsed.model_validate(given))


def test_a_good_one(planned: MemoryPlan) -> None:
    found = rehearsal(planned)
    shown = lines(found)
    assert shown[0] == "strix01: service main, profile coding, release 0123456789ab"
    assert shown[1] == "rehearsed on a device that computes nothing: the server's start, 1.4 s"
    assert any(line.split() == ["KV", "cache", "device", "16384.00", "16384.00", "0"] for line in shown)
    assert any(line.startswith("driver") and line.endswith("not seen") for line in shown)
    assert not failed(found)
    assert json.loads(json.dumps(document(found)))["wrong"] == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"why": "no C compiler"}, "not rehearsed, the formulas serve: no C compiler"),
        ({"failure": "the server ended with 1", "tail": ["bad\x1b[2Jmodel"]}, "FAILED: the server ended with 1"),
        ({"offloaded": [3, 66]}, "WRONG: 3 of 66 layers reached the device, 999 were asked for"),
        ({"offloaded": None}, "WRONG: 0 of 0 layers reached the device"),
        ({"n_ctx_seq": 512}, "WRONG: a context of 512 for a slot, planned 262144"),
        ({"sizes": {"main.KV.device": {"mib": 200000, "largest_mib": 200000}}}, "TOO LARGE: "),
    ],
)
def test_what_is_wrong_is_said(planned: MemoryPlan, answer: dict[str, Any], words: str) -> None:
    found = rehearsal(planned, **answer)
    text = "\n".join(lines(found))
    assert words in text
    assert "\x1b" not in text
    assert failed(found)
