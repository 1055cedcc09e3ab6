"""What is inferred from facts."""

from __future__ import annotations

import pytest

from strixkit.planner.facts import GIB, Facts, Gpu, Memory, Os, dimm_gib


def _facts(total_gib: float, gpu: Gpu | None) -> Facts:
    memory = Memory(total_bytes=int(total_gib * GIB), available_bytes=0)
    return Facts(hostname="box", os=Os(id="debian"), memory=memory, gpu=gpu)


@pytest.mark.parametrize(
    ("total_gib", "carve_out_gib", "dimm"),
    [
        (125.09, 0.5, 128),
        (121.6, 4, 128),  # a BIOS that reports 4 GiB at its least (noamsto/nix-amd-ai#42)
        (62, 64, 128),
        (30.4, 96, 128),
        (61.1, 0.5, 64),
        (54.6, 8, 64),
        (31, 32, 64),
        (93.1, 0.5, 96),
        (29.1, 0.5, 32),
        (127.5, 0.5, 128),
        (251, 0.5, None),
    ],
)
def test_the_soldered_memory_is_inferred(total_gib: float, carve_out_gib: float, dimm: int | None) -> None:
    assert dimm_gib(_facts(total_gib, Gpu(vram_total_bytes=int(carve_out_gib * GIB)))) == dimm


def test_without_a_gpu_nothing_is_inferred() -> None:
    assert dimm_gib(_facts(125, None)) is None, "a carve-out that nobody sees may hide any amount"
