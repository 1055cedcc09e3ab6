"""The cases of benchmarks/memory: what they cover, and that a table says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory.cases import QWEN_27B, all_cases
from benchmarks.memory.compare import rows, total
from benchmarks.memory.models import write_model
from benchmarks.memory.results import read_truths
from benchmarks.memory.table import Compared, text
from strixkit.config.catalogue import load_model
from strixkit.planner.gguf import read_header
from strixkit.planner.shape import ModelShape, shape_from_header
from tests.unit.planner.test_memory_truths import TRUTHS_FILE

CASES = all_cases()


def shape_of(path: Path) -> ModelShape:
    with path.open("rb") as file:
        return shape_from_header(read_header(file))


def test_the_27b_by_hand_is_the_catalogues(tmp_path: Path) -> None:
    found = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
    assert found is not None
    strix = next(case.model for case in CASES if case.model.weights == "strix")
    shape = shape_of(write_model(tmp_path / "27b.gguf", strix))
    computed = {"from_header", "kinds", "caches", "recurrent", "hip_padding_bytes", "weights_bytes"}
    assert shape.model_dump(exclude=computed) == found.model_dump(exclude=computed)
    assert shape.weights_bytes == pytest.approx(found.weights_bytes, rel=1e-6)
    assert QWEN_27B.layers == found.layers


def test_they_are_the_same_each_time_and_have_names_of_their_own() -> None:
    assert all_cases() == CASES
    assert len({case.name for case in CASES}) == len(CASES) >= 60


def test_they_cover_what_is_promised() -> None:
    settings = [case.settings for case in CASES]
    assert {item.context for item in settings} >= {4096 << step for step in range(7)}
    assert {item.micro for item in settings} >= {64 << step for step in range(6)}
    assert {item.kv for item in settings} >= {"f32", "f16", "q8_0", "q4_0", "q8_0/f16"}
    assert {(item.parallel, item.unified) for item in settings} >= {(1, False), (2, False), (2, True), (4, True)}
    for family in ("qwen35", "qwen35moe"):
        of_family = [case.settings for case in CASES if case.model.family == family and case.model.nextn]
        assert {item.draft_max >= 0 for item in of_family} == {True, False}
        assert {item.checkpoints > 0 for item in of_family} == {True, False}


def test_the_table_names_a_size_that_is_wrong() -> None:
    truth = next(truth for truth in read_truths(TRUTHS_FILE) if "main.KV.device" in truth.sizes)
    kv = truth.sizes["main.KV.device"]
    wrong = truth.model_copy(
        update={"sizes": {**truth.sizes, "main.KV.device": kv.model_copy(update={"mib": kv.mib * 2})}}
    )
    found = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
    assert found is not None
    held = rows(found, wrong)
    shown = text([Compared(wrong, held)])
    assert "| main.KV.device | " in shown
    assert total(held).error < -0.1


def test_a_server_that_did_not_start_is_shown() -> None:
    failed = read_truths(TRUTHS_FILE)[0].model_copy(update={"ready": False, "failure": "no | memory", "sizes": {}})
    shown = text([Compared(failed, [])])
    assert "| 1 | 1 |" in shown
    assert "| no / memory |" in shown
    assert failed.case.name in shown
