"""The formulas against what servers logged (benchmarks/memory), kept for one run of every sort."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory.compare import EXACT, Row, rows, total
from benchmarks.memory.models import Dimensions, write_model
from benchmarks.memory.results import read_truths
from benchmarks.memory.truth import Truth
from strixkit.planner.gguf import read_header
from strixkit.planner.shape import ModelShape, shape_from_header

TRUTHS_FILE = Path(__file__).parents[2] / "data/memory/truths.json"
TRUTHS = read_truths(TRUTHS_FILE)
EXACT_MIB = 0.01
# The rehearsal pads inputs in host memory as RADV does, to 4096 bytes, the formulas as lavapipe, to 64.
HOST_COMPUTE_MIB = 0.05
COMPUTE_SHARE = 0.03
TOTAL_SHARE = 0.03


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[Dimensions, ModelShape]:
    """As they are read from the models' headers."""
    found = {}
    path = tmp_path_factory.mktemp("truths") / "model.gguf"
    for model in {truth.case.model for truth in TRUTHS}:
        with write_model(path, model).open("rb") as file:
            found[model] = shape_from_header(read_header(file))
    return found


def off(row: Row) -> bool:
    """Whether a formula leaves its figure. The log rounds each line that was added."""
    difference = abs(row.ours - row.log)
    if row.kind == "compute host" or row.key.endswith(".compute.host"):
        return difference > HOST_COMPUTE_MIB
    return difference > max(EXACT_MIB, row.rounding) if row.kind in EXACT else difference > COMPUTE_SHARE * row.log


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: f"{truth.case.name}, {truth.ground}")
def test_every_part_is_what_the_server_logged(truth: Truth, shapes: dict[Dimensions, ModelShape]) -> None:
    found = rows(shapes[truth.case.model], truth)
    assert len(found) >= 4
    assert [row for row in found if off(row)] == []
    whole = total(found)
    assert abs(whole.ours - whole.log) <= TOTAL_SHARE * whole.log


def test_every_family_and_backend_is_kept() -> None:
    assert {truth.case.model.family for truth in TRUTHS} == {
        *("gemma2", "gemma3", "llama", "mamba2", "qwen3", "qwen35", "qwen35moe", "qwen3moe")
    }
    assert {(truth.method, truth.device) for truth in TRUTHS} >= {
        ("rehearsal", "Vulkan0"),
        ("rehearsal", "ROCm0"),
        ("real", "Vulkan0"),
    }
    assert {truth.family for truth in TRUTHS} == {"rocmfp4", "upstream"}
    assert any(truth.checkpoints for truth in TRUTHS)
    assert any(truth.prompts for truth in TRUTHS)
