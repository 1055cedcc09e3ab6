"""The formulas against what servers logged: the fork and upstream, with a 27B's header and with a tiny model.

The 27B's figures come from dry runs of unmodified llama-server binaries on a device that computes nothing, and
from published logs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from planner_cases import MIB, SHAPE_27B, TINY

from strixkit.planner import compute, memory
from strixkit.planner.gguf import read_header
from strixkit.planner.parts import parts
from strixkit.planner.run import CacheTypes, Family, Run
from strixkit.planner.shape import shape_from_header

F16, Q8 = CacheTypes.of("f16"), CacheTypes.of("q8_0")

# The card's command line, but for the default spacing of checkpoints, which the measurements used.
CARD = Run(
    family="rocmfp4",
    hip=True,
    context=262144,
    parallel=1,
    batch=2048,
    micro=256,
    kv=F16,
    draft_kv=F16,
    draft_max=3,
    checkpoints=32,
    checkpoint_every=8192,
    cache_ram_mib=0,
)
UPSTREAM = replace(CARD, family="upstream")


def total(run: Run, where: str, *stages: str) -> float:
    """Sum of the parts in MiB, without the allowance for the driver, which no server logs."""
    found = parts(SHAPE_27B, run)
    return sum(part.mib for part in found if part.where == where and part.when in stages and part.name != "driver")


@pytest.mark.parametrize(
    ("context", "f16", "q8_0", "draft", "host", "output", "checkpoints", "count"),
    [
        (32768, 2048, 1088, 128, 42, 1980, 1197, 5),
        (65536, 4096, 2176, 256, 74, 1980, 2760, 9),
        (131072, 8192, 4352, 512, 138, 1980, 7430, 17),
        (262144, 16384, 8704, 1024, 266, 1980, 22762, 32),
    ],
)
def test_exact_parts_of_the_27b_on_the_fork(
    context: int, f16: int, q8_0: int, draft: int, host: int, output: int, checkpoints: int, count: int
) -> None:
    run = replace(CARD, context=context)
    assert memory.kv_bytes(SHAPE_27B, run) == f16 * MIB
    assert memory.kv_bytes(SHAPE_27B, replace(run, kv=Q8)) == q8_0 * MIB
    assert memory.draft_kv_bytes(SHAPE_27B, run) == draft * MIB
    assert compute.target_host_bytes(SHAPE_27B, run) / MIB == pytest.approx(host + 0.01, abs=0.005)
    assert compute.draft_host_bytes(SHAPE_27B, run) / MIB == pytest.approx(host + 0.01, abs=0.005)
    draft_rows = 4 * (4 * 248320 + 5120 + 1)
    assert (memory.output_running_bytes(SHAPE_27B, run) - draft_rows) / MIB == pytest.approx(output, abs=1)
    positions = memory.checkpoint_positions(run)
    assert len(positions) == count
    sizes = [memory.checkpoint_bytes(SHAPE_27B, run, tokens) for tokens in positions]
    assert sum(sizes) / MIB == pytest.approx(checkpoints, abs=1)


def test_recurrent_state_of_the_27b() -> None:
    assert memory.recurrent_plane_bytes(SHAPE_27B) / MIB == 149.625
    state = next(part for part in parts(SHAPE_27B, CARD) if part.name == "recurrent state")
    assert state.mib == 598.5
    assert CARD.planes == 4
    assert replace(CARD, draft_max=-1).planes == 1


def test_the_whole_context_in_one_prompt() -> None:
    """262,000 tokens on the fork with these settings made 22,757.8 MiB of device memory more."""
    grown = total(CARD, "device", "full")
    assert grown == pytest.approx(22757.8, rel=0.005)


@pytest.mark.parametrize(
    ("settings", "start", "full", "tolerance"),
    [
        ({}, 33884, 56730, 1),
        ({"checkpoints": 4}, 33884, 38585, 1),
        ({"kv": Q8, "hip": False}, 26214, 49059, 1),
        ({"kv": Q8, "draft_kv": Q8, "hip": False, "checkpoints": 4}, 25734, 28559, 8),
        ({"context": 131072}, 24861, 32535, 1),
        ({"context": 131072, "checkpoints": 4}, 24861, 27664, 1),
        ({"context": 131072, "kv": Q8, "hip": False}, 21021, 28695, 1),
        # With the pool of f16 copies: the sum is up to 7 % above the simulation of it.
        ({"kv": Q8}, 26210, 69937, 640),
        ({"context": 131072, "kv": Q8, "checkpoints": 4}, 21021, 33906, 680),
        ({"context": 131072, "kv": Q8}, 21021, 38777, 680),
        ({"family": "upstream"}, 33421, 33421, 1),
        ({"family": "upstream", "kv": Q8}, 26744, 26744, 1),
        ({"family": "upstream", "kv": Q8, "hip": False}, 25748, 25748, 1),
    ],
)
def test_device_totals_of_the_27b(settings: dict[str, Any], start: float, full: float, tolerance: float) -> None:
    run = replace(CARD, **settings)
    assert total(run, "device", "start") == pytest.approx(start, abs=min(tolerance, 8))
    assert total(run, "device", "start", "full") == pytest.approx(full, abs=tolerance)


@pytest.mark.parametrize(
    ("context", "kv", "logged"),
    [
        (32768, "f16", 252.5),
        (65536, "f16", 308.5),
        (65536, "q8_0", 252.5),
        (131072, "f16", 252.5),
        (262144, "f16", 412.01),
        (262144, "q8_0", 418.27),
    ],
)
def test_device_compute_buffer_of_the_fork(context: int, kv: str, logged: float) -> None:
    run = replace(CARD, context=context, kv=CacheTypes.of(kv))
    assert compute.target_device_bytes(SHAPE_27B, run) / MIB == pytest.approx(logged, abs=0.01)
    assert compute.draft_running_bytes(SHAPE_27B, run) / MIB == pytest.approx(495.9, abs=0.1)


def test_output_buffer_depends_on_the_logical_batch() -> None:
    draft_rows = 4 * (4 * 248320 + 5120 + 1)
    for batch, logged in ((2048, 1980), (1024, 990), (512, 495)):
        size = memory.output_running_bytes(SHAPE_27B, replace(CARD, batch=batch)) - draft_rows
        assert size / MIB == pytest.approx(logged, abs=1)
    assert draft_rows / MIB == pytest.approx(3.8, abs=0.02)
    assert (memory.output_running_bytes(SHAPE_27B, UPSTREAM) - draft_rows) / MIB == pytest.approx(43.8, abs=0.05)


@pytest.mark.parametrize(
    ("draft_kv", "tokens", "logged"),
    [
        ("f16", 8192, 182),
        ("f16", 32768, 278),
        ("f16", 131072, 664),
        ("f16", 262144, 1179),
        ("q4_0", 32768, 186),
        ("q4_0", 131072, 296),
        ("q4_0", 262144, 443),
    ],
)
def test_checkpoints_of_the_fork_hold_the_drafts_cache(draft_kv: str, tokens: int, logged: float) -> None:
    run = replace(CARD, draft_kv=CacheTypes.of(draft_kv))
    assert memory.checkpoint_bytes(SHAPE_27B, run, tokens) / MIB == pytest.approx(logged, abs=1)
    assert memory.checkpoint_bytes(SHAPE_27B, replace(run, family="upstream"), tokens) == 149.625 * MIB + 1172


def test_close_checkpoints_all_lie_near_the_end() -> None:
    """With the card's spacing of 256 one is made at each border of a batch of 2048, and the last 32 stay."""
    positions = memory.checkpoint_positions(replace(CARD, checkpoint_every=256))
    assert positions == [*range(200704, 260097, 2048), 261884, 262140]


def test_no_checkpoints() -> None:
    assert memory.checkpoint_positions(replace(CARD, checkpoints=0)) == []
    plain = SHAPE_27B.model_copy(update={"recurrent": None, "attention_layers": 64})
    assert memory.checkpoint_bytes(plain, CARD, 1000) == 0


def test_prompt_cache_of_the_fork_always_keeps_a_whole_conversation() -> None:
    """17.5 thousand MiB on the host for 262144 tokens, whatever the limit; upstream's limit is one."""
    small = {part.name: part.mib for part in parts(SHAPE_27B, replace(CARD, cache_ram_mib=1024))}
    assert small["prompt cache"] == pytest.approx(17_568, abs=1)
    assert small["checkpoints in the prompt cache"] == pytest.approx(32 * 1178.6, abs=1)
    hard = {part.name: part.mib for part in parts(SHAPE_27B, replace(UPSTREAM, cache_ram_mib=1024))}
    assert hard["prompt cache"] == 1024
    off = {part.name for part in parts(SHAPE_27B, CARD)}
    assert not [name for name in off if "prompt cache" in name]


def test_the_tiny_model_as_the_fork_logged_it() -> None:
    """Its log: 'saving prompt with length 1040, total state size = 1.132 MiB (draft: 0.163 MiB)' and
    'created context checkpoint 2 of 32 (..., n_tokens = 942, size = 0.558 MiB)'.
    """
    with TINY.open("rb") as handle:
        shape = shape_from_header(read_header(handle))
    run = replace(CARD, context=1280, kv=Q8, draft_kv=CacheTypes.of("q4_0"))
    assert memory.checkpoint_bytes(shape, run, 942) / MIB == pytest.approx(0.558, abs=0.002)
    state = memory.prompt_state_bytes(shape, run, 1040)
    without_draft = memory.prompt_state_bytes(shape, replace(run, draft_max=-1), 1040)
    assert state / MIB == pytest.approx(1.132, abs=0.0005)
    assert (state - without_draft) / MIB == pytest.approx(0.163, abs=0.0005)


@pytest.mark.parametrize("family", ["rocmfp4", "upstream"])
def test_without_drafting(family: Family) -> None:
    run = replace(CARD, family=family, draft_max=-1)
    names = {part.name for part in parts(SHAPE_27B, run)}
    assert not [name for name in names if name.startswith("draft")]
    expected = SHAPE_27B.weights_bytes - (SHAPE_27B.nextn_bytes if family == "upstream" else 0)
    assert memory.weights_bytes(SHAPE_27B, run) == expected


@pytest.mark.parametrize(
    ("context", "parallel", "sequence", "whole"),
    [(262144, 1, 262144, 262144), (1000, 1, 1024, 1024), (16384, 4, 4096, 16384), (65536, 3, 22016, 66048)],
)
def test_context_as_the_server_rounds_it(context: int, parallel: int, sequence: int, whole: int) -> None:
    run = replace(CARD, context=context, parallel=parallel)
    assert (run.sequence, run.total_context) == (sequence, whole)


def test_unified_slots_share_one_cache_and_each_may_take_it_whole() -> None:
    run = replace(CARD, context=16300, parallel=4, unified=True)
    assert (run.sequence, run.total_context) == (16384, 16384)
    assert memory.kv_bytes(SHAPE_27B, run) == memory.kv_bytes(SHAPE_27B, replace(run, unified=False))


def test_k_and_v_count_by_their_own_type() -> None:
    """At 262144 tokens: K in q8_0 and V in f16 take 12,544 MiB."""
    mixed = replace(CARD, kv=CacheTypes.of("q8_0/f16"))
    assert memory.kv_bytes(SHAPE_27B, mixed) == 12544 * MIB
    sizes = [
        compute.target_host_bytes(SHAPE_27B, replace(CARD, kv=CacheTypes.of(words)))
        for words in ("f16", "q8_0/f16", "f16/q8_0", "q8_0")
    ]
    rotations = [size - sizes[0] for size in sizes]
    assert rotations == [0, 4 * 256**2, 4 * 64**2, 4 * 256**2 + 4 * 64**2]


def test_batches_are_no_larger_than_the_context() -> None:
    run = replace(CARD, context=256, batch=2048, micro=512)
    assert (run.batch_tokens, run.micro_tokens) == (256, 256)
