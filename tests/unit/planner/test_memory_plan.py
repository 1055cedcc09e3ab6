"""Plans for real boxes, and what holds for any box and any wishes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import (
    BOX_64_DEFAULT,
    BOX_64_RAISED,
    BOX_128_MORE,
    BOX_128_RAISED,
    CODING,
    MIB,
    SHAPE_27B,
    TINY,
    box,
    changed,
    strix_27b,
)
from planner_strategies import BOXES, FAMILIES, PROFILES, SHAPES, planned

from strixkit.errors import InputError
from strixkit.planner.budget import Need, Neighbours
from strixkit.planner.candidates import wishes_of
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Facts
from strixkit.planner.gguf import read_header
from strixkit.planner.profile import Profile
from strixkit.planner.run import CacheTypes, Family
from strixkit.planner.shape import ModelShape, shape_from_header

CARD = {
    "server.alias": "qwen3.6-27b-rocmfp4-mtp",
    "server.host": "0.0.0.0",
    "server.port": 8080,
    "device.name": "Vulkan0",
    "device.gpu_layers": 999,
    "device.flash_attention": True,
    "context.size": 262144,
    "batch.size": 2048,
    "batch.micro": 256,
    "threads.generate": 16,
    "threads.batch": 16,
    "kv.k": "f16",
    "kv.v": "f16",
    "cache.checkpoint_every": 256,
    "cache.checkpoints": 32,
    "cache.reuse": 256,
    "sampling.temperature": 0.6,
    "sampling.top_p": 0.95,
    "sampling.top_k": 20,
    "sampling.min_p": 0.0,
    "sampling.presence_penalty": 0.0,
    "sampling.repeat_penalty": 1.0,
    "draft.type": "draft-mtp",
    "draft.device": "Vulkan0",
    "draft.gpu_layers": "all",
    "draft.k": "f16",
    "draft.v": "f16",
    "draft.max": 3,
    "draft.min": 0,
    "draft.p_min": 0.0,
    "draft.p_split": 0.10,
    "reasoning.enabled": True,
    "reasoning.format": "deepseek",
    "template.arguments": {"preserve_thinking": True},
    "template.jinja": True,
    "server.parallel": 1,
    "server.metrics": True,
    "load.mmap": False,
}
DRIVER = 700


def chosen(plan: MemoryPlan) -> tuple[Any, ...]:
    return tuple(plan.options[key] for key in ("context.size", "kv.k", "kv.v", "draft.k", "cache.checkpoints"))


def reason(plan: MemoryPlan, option: str) -> str:
    return next(r.reason for r in plan.reasons if r.option == option)


@pytest.mark.parametrize("facts", [BOX_128_RAISED, BOX_128_MORE])
def test_the_card_on_128_gb(facts: Facts) -> None:
    found = plan(facts, SHAPE_27B, CODING, "rocmfp4")
    options = dict(found.options)
    # Not on the card: its default of 8 GiB keeps one whole conversation, here up to 55 GiB.
    assert options.pop("cache.ram_mib") == 0
    assert options == CARD
    assert list(options) == list(CARD)
    assert found.start_mib - DRIVER == pytest.approx(33_884, abs=8)
    assert found.full_mib - DRIVER == pytest.approx(67_947, abs=8)
    assert "MiB more of system memory" in reason(found, "cache.ram_mib")


def test_the_card_with_the_default_spacing_of_checkpoints() -> None:
    """What the measurements had: 33,884 MiB at the start, 56,730 with one prompt that fills the context."""
    found = plan(BOX_128_RAISED, SHAPE_27B, changed(CODING, cache={"checkpoint_every": 8192}), "rocmfp4")
    assert found.start_mib - DRIVER == pytest.approx(33_884, abs=8)
    assert found.full_mib - DRIVER == pytest.approx(56_730, abs=8)


@pytest.mark.parametrize(
    ("facts", "family", "expected"),
    [
        (BOX_64_RAISED, "rocmfp4", (262144, "f16", "f16", "f16", 16)),
        (BOX_64_DEFAULT, "rocmfp4", (131072, "f16", "f16", "f16", 8)),
        (BOX_64_RAISED, "upstream", (262144, "f16", "f16", "f16", 32)),
        (BOX_64_DEFAULT, "upstream", (131072, "f16", "f16", "f16", 32)),
        (box(63200, 31600, used_mib=8500), "rocmfp4", (65536, "f16", "f16", "f16", 4)),
        (box(63200, 31600, used_mib=9800), "rocmfp4", (65536, "q8_0", "q8_0", "f16", 4)),
    ],
)
def test_smaller_boxes(facts: Facts, family: Family, expected: tuple[Any, ...]) -> None:
    found = plan(facts, SHAPE_27B, CODING, family)
    assert chosen(found) == expected
    for option, wish in (("context.size", 262144), ("kv.k", "f16"), ("cache.checkpoints", 32)):
        assert (found.options[option] == wish) == ("more" not in reason(found, option))


def test_the_reason_names_what_is_missing() -> None:
    """64 GB with the default GTT of half the memory; the need of 262144 tokens less the limit is missing."""
    found = plan(BOX_64_DEFAULT, SHAPE_27B, CODING, "rocmfp4")
    raised = box(63200, 31600 + 7845 + 1)
    assert "7,845 MiB more on the device (a higher GTT limit (ttm.pages_limit))" in reason(found, "context.size")
    assert plan(raised, SHAPE_27B, CODING, "rocmfp4").options["context.size"] == 262144


def test_preferring_context() -> None:
    facts = box(63200, 33_000)
    wide = CODING.model_copy(update={"prefer": ("context", "kv")})
    assert chosen(plan(facts, SHAPE_27B, wide, "rocmfp4"))[:2] == (262144, "q8_0")
    assert chosen(plan(facts, SHAPE_27B, CODING, "rocmfp4"))[:2] == (131072, "f16")


def test_a_second_service_shares_the_host() -> None:
    alone = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4")
    shared = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4", others=Neighbours(promised=Need(20_000)))
    assert chosen(shared) == (131072, "f16", "f16", "f16", 8)
    assert shared.budget_mib == pytest.approx(alone.budget_mib - 20_000)
    assert "20,000 for other services" in shared.budget_words


def test_the_running_service_is_no_obstacle_to_its_own_plan() -> None:
    idle = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4")
    held, host = 34_000, 3_000
    assert BOX_64_RAISED.gpu is not None
    busy = BOX_64_RAISED.model_copy(
        update={
            "gpu": BOX_64_RAISED.gpu.model_copy(
                update={"gtt_used_bytes": BOX_64_RAISED.gpu.gtt_used_bytes + held * MIB}
            ),
            "memory": BOX_64_RAISED.memory.model_copy(
                update={"available_bytes": BOX_64_RAISED.memory.available_bytes - (held + host) * MIB}
            ),
        }
    )
    again = plan(busy, SHAPE_27B, CODING, "rocmfp4", running=Need(held, host))
    assert again.options == idle.options
    assert again.budget_mib == idle.budget_mib


def test_a_large_carve_out_is_used_alone() -> None:
    """96 GB of 128 taken by the BIOS: Linux sees 31 GiB and a GTT of 15.5."""
    found = plan(box(31_000, 15_868, vram_mib=98_304), SHAPE_27B, CODING, "rocmfp4")
    assert found.budget_mib == 98_304
    assert chosen(found) == (262144, "f16", "f16", "f16", 32)
    assert "carve-out" in found.budget_words


def test_nothing_fits() -> None:
    with pytest.raises(InputError) as caught:
        plan(box(31_000, 15_500), SHAPE_27B, CODING, "rocmfp4")
    words = str(caught.value)
    assert words.startswith("strix01: no plan fits. The smallest is context 65536 with q8_0 KV and 4 checkpoints")
    assert "5,721 MiB more on the device" in words
    assert caught.value.exit_code == 2
    enough = plan(box(31_000, 15_500 + 5_722), SHAPE_27B, CODING, "rocmfp4")
    assert chosen(enough) == (65536, "q8_0", "q8_0", "f16", 4)


def test_a_box_without_a_gpu_uses_system_memory() -> None:
    with TINY.open("rb") as handle:
        shape = shape_from_header(read_header(handle))
    found = plan(box(4096, None, cores=2), shape, CODING, "upstream")
    # Of the reserve of 4 GiB only a quarter of such a small box is taken.
    assert found.budget_mib == found.system_budget_mib == 4096 - 1600 - 1024
    assert not found.estimated
    assert (found.options["threads.generate"], found.options["threads.batch"]) == (2, 2)
    assert "the host has 2 cores" in reason(found, "threads.generate")


def test_on_the_cpu_all_parts_are_on_the_host() -> None:
    found = plan(BOX_128_RAISED, SHAPE_27B, changed(CODING, device={"gpu_layers": 0}), "upstream")
    assert found.worst_mib == 0
    assert {part.where for part in found.parts} == {"host"}


def test_no_context_beyond_the_models_training() -> None:
    short = SHAPE_27B.model_copy(update={"context_length": 32768})
    found = plan(BOX_128_RAISED, short, CODING, "rocmfp4")
    assert found.options["context.size"] == 32768
    assert "trained for 32768" in reason(found, "context.size")


def test_a_model_without_an_mtp_head_does_not_draft() -> None:
    plain = SHAPE_27B.model_copy(update={"nextn_layers": 0, "nextn_bytes": 0})
    found = plan(BOX_128_RAISED, plain, CODING, "rocmfp4")
    assert {k: v for k, v in found.options.items() if k.startswith("draft.")} == {"draft.type": "none"}
    assert "no MTP head" in reason(found, "draft.type")


def test_quantised_kv_needs_flash_attention() -> None:
    without = changed(CODING, device={"flash_attention": False})
    assert wishes_of(without, SHAPE_27B, "rocmfp4").kv == (CacheTypes.of("f16"),)
    with pytest.raises(InputError, match="flash_attention"):
        wishes_of(changed(without, kv={"types": ("q8_0",)}), SHAPE_27B, "rocmfp4")


def test_the_least_context_is_not_more_than_the_wish() -> None:
    with pytest.raises(InputError, match=r"context\.least is 4096, more than context\.want: 2048"):
        wishes_of(changed(CODING, context={"want": 2048, "least": 4096}), SHAPE_27B, "rocmfp4")


def test_the_real_files_sizes() -> None:
    """From the header: f16 embeddings are 2,425 MiB on the host, so that the device starts lower."""
    data, size = strix_27b()
    found = plan(BOX_128_RAISED, shape_from_header(read_header(data, size)), CODING, "rocmfp4")
    assert found.start_mib - DRIVER == pytest.approx(32_121, abs=2)
    assert next(part.mib for part in found.parts if part.name == "token embedding") == 2425
    assert chosen(found) == (262144, "f16", "f16", "f16", 32)


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_a_plan_never_exceeds_the_budget(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    assert found.start_mib <= found.full_mib <= found.worst_mib <= found.budget_mib
    assert found.worst_mib == pytest.approx(sum(part.mib for part in found.parts if part.where == "device"))
    assert found.host_worst_mib == pytest.approx(sum(part.mib for part in found.parts if part.where == "host"))
    if facts.gpu is None or facts.gpu.gtt_total_bytes >= facts.gpu.vram_total_bytes:
        assert found.worst_mib + found.host_worst_mib <= found.system_budget_mib
        assert found.worst_mib + found.host_worst_mib <= facts.memory.available_bytes / MIB


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_pins_are_kept(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    options = found.options
    assert options["kv.k"] == options["kv.v"]
    assert options["kv.k"] in profile.kv.types
    context, checkpoints = options["context.size"], options["cache.checkpoints"]
    assert isinstance(context, int)
    assert isinstance(checkpoints, int)
    assert context % 256 == 0
    trained = 262144 * profile.server.parallel
    assert min(profile.context.least, trained) <= context < min(profile.context.want, trained) + 256
    assert min(4, profile.cache.checkpoints) <= checkpoints <= profile.cache.checkpoints
    if profile.cache.ram_mib is not None:
        assert options["cache.ram_mib"] == profile.cache.ram_mib
    assert options["threads.generate"] == min(profile.threads.generate, facts.cores)
    decided = {"context.size", "kv.k", "kv.v", "cache.checkpoints", "cache.ram_mib"}
    pinned = {key: value for key, value in CARD.items() if key not in decided and not key.startswith("threads.")}
    pinned |= {"server.parallel": profile.server.parallel, "batch.size": profile.batch.size}
    pinned["device.name"] = profile.device.name
    if profile.draft.type == "none":
        pinned = {k: v for k, v in pinned.items() if not k.startswith("draft.")} | {"draft.type": "none"}
    else:
        pinned["draft.device"] = profile.device.name
    assert {key: options[key] for key in pinned} == pinned
    assert set(options) - decided - {"threads.generate", "threads.batch"} == set(pinned)


@given(BOXES, SHAPES, PROFILES, FAMILIES, st.integers(0, 50_000))
def test_more_memory_never_gives_a_worse_plan(
    facts: Facts, shape: ModelShape, profile: Profile, family: Family, more: int
) -> None:
    def rank(facts: Facts) -> int:
        found = planned(facts, shape, profile, family)
        if found is None:
            return 1_000_000
        runs = list(wishes_of(profile, shape, family).runs())
        keys = [(r.context, r.kv.k, r.checkpoints, r.cache_ram_mib) for r in runs]
        options = found.options
        return keys.index(
            (  # type: ignore[arg-type]
                options["context.size"],
                options["kv.k"],
                options["cache.checkpoints"],
                options.get("cache.ram_mib"),
            )
        )

    gpu = facts.gpu
    larger = facts.model_copy(
        update={
            "memory": facts.memory.model_copy(
                update={
                    "total_bytes": facts.memory.total_bytes + more * MIB,
                    "available_bytes": facts.memory.available_bytes + more * MIB,
                }
            ),
            "gpu": gpu and gpu.model_copy(update={"gtt_total_bytes": gpu.gtt_total_bytes + more * MIB}),
        }
    )
    assert rank(larger) <= rank(facts)


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_every_choice_has_a_reason(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    reasons = {r.option: r for r in found.reasons}
    assert {"context.size", "kv.k", "cache.checkpoints", "cache.ram_mib"} <= set(reasons)
    for option, given_reason in reasons.items():
        assert given_reason.value == found.options.get(option, 8192)
        assert "needs ;" not in given_reason.reason
        assert not given_reason.reason.endswith("needs ")
    assert MemoryPlan.model_validate_json(found.model_dump_json()) == found
