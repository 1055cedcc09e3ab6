"""All formulas against what real servers logged, to the last digit: tests/data/memory says of which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.memory.models import Dimensions, write_model
from strixkit.planner.gguf import read_header
from strixkit.planner.parts import parts
from strixkit.planner.run import CacheTypes, Run
from strixkit.planner.shape import ModelShape, shape_from_header

LOGGED = json.loads((Path(__file__).parents[2] / "data/memory/logged.json").read_text())
LAST_DIGIT = 0.0051  # the log has two decimals


def run_of(case: dict[str, Any]) -> Run:
    types = {name: CacheTypes.of(case["run"][name]) for name in ("kv", "draft_kv")}
    return Run(**{**case["run"], **types}, checkpoints=0, checkpoint_every=8192, cache_ram_mib=0)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelShape]:
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name, lengths in LOGGED["models"].items():
        path = write_model(folder / f"{name}.gguf", Dimensions(**lengths))
        with path.open("rb") as file:
            found[name] = shape_from_header(read_header(file))
    return found


def title(case: dict[str, Any]) -> str:
    run = case["run"]
    where = "cpu" if run["cpu"] else "hip" if run["hip"] else "vulkan"
    return f"{run['family']}-{where}-{case['model']}-{run['kv']}-{run['context']}-{run['micro']}-{run['parallel']}"


@pytest.mark.parametrize("case", LOGGED["cases"], ids=title)
def test_every_buffer_to_the_last_digit(shapes: dict[str, ModelShape], case: dict[str, Any]) -> None:
    planned: dict[str, float] = {}
    for part in parts(shapes[case["model"]], run_of(case)):
        if part.when == "start" and part.name != "driver":
            key = f"{part.key.rpartition('.')[0]}.host" if case["run"]["cpu"] else part.key
            planned[key] = planned.get(key, 0.0) + part.mib
            assert part.exact
    lines = case.get("lines", {})  # of keys whose buffers are logged one by one
    for key in planned.keys() | case["logged"].keys():
        logged = pytest.approx(case["logged"].get(key, 0.0), abs=LAST_DIGIT * lines.get(key, 1))
        assert planned.get(key, 0.0) == logged, key
