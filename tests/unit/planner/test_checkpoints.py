"""Which checkpoints the fork keeps, against what its server did.

Recorded from the unmodified server of the fork (baed43e) on the rehearsal device, which computes nothing: one prompt
each, the last `most` of the checkpoints that it logged. Where they lie does not depend on the model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from planner_cases import MIB, SHAPE_27B

from strixkit.planner import memory
from strixkit.planner.run import CacheTypes, Run

RECORDED = json.loads((Path(__file__).parents[2] / "data/checkpoints/fork.json").read_text())
F16 = CacheTypes.of("f16")


def run_of(case: dict[str, Any]) -> Run:
    return Run(
        family="rocmfp4",
        hip=False,
        context=case["prompt"],
        parallel=1,
        batch=case["batch"],
        micro=case["micro"],
        kv=F16,
        draft_kv=F16,
        draft_max=3,
        checkpoints=case["most"],
        checkpoint_every=case["every"],
    )


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: "-".join(str(case[key]) for key in list(case)[:5]))
def test_positions_are_those_of_the_server(case: dict[str, Any]) -> None:
    assert memory.checkpoint_positions(run_of(case)) == case["positions"]


@pytest.mark.parametrize(("every", "first", "mib"), [(256, 200704, 33974.829), (8192, 16384, 22760.335)])
def test_all_checkpoints_of_a_full_context_of_the_27b(every: int, first: int, mib: float) -> None:
    """The card's `-cpent 256` keeps the last 32 borders of a batch; 8192, the default, spreads them."""
    case = {"prompt": 261888, "every": every, "batch": 2048, "micro": 256, "most": 32}
    positions = memory.checkpoint_positions(run_of(case))
    assert (len(positions), positions[0], positions[-2:]) == (32, first, [261628, 261884])
    sizes = [memory.checkpoint_bytes(SHAPE_27B, run_of(case), tokens) for tokens in positions]
    assert sum(sizes) / MIB == pytest.approx(mib, abs=0.05)
