"""Plans for real boxes, and what holds for any box and any wishes."""

from __future__ import annotations

from typing import Any

import pytest
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
    pinned,
    strix_27b,
)

from strixkit.errors import InputError
from strixkit.planner.budget import Need, Neighbours
from strixkit.planner.candidates import wishes_of
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.draft import Drafting
from strixkit.planner.facts import Facts
from strixkit.planner.gguf import read_header
from strixkit.planner.reasons import NothingFits
from strixkit.planner.run import CacheTypes, Family
from strixkit.planner.shape import shape_from_header

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
        (box(63200, 34_000), "rocmfp4", (147456, "f16", "f16", "f16", 8)),
        (BOX_64_RAISED, "upstream", (262144, "f16", "f16", "f16", 32)),
        (BOX_64_DEFAULT, "upstream", (212992, "f16", "f16", "f16", 32)),
        (box(63200, 31600, used_mib=6500), "rocmfp4", (65536, "f16", "f16", "f16", 8)),
        (box(63200, 31600, used_mib=7000), "rocmfp4", (81920, "q8_0", "q8_0", "f16", 8)),
    ],
)
def test_smaller_boxes(facts: Facts, family: Family, expected: tuple[Any, ...]) -> None:
    found = plan(facts, SHAPE_27B, CODING, family)
    assert chosen(found) == expected
    for option, wish in (("context.size", 262144), ("kv.k", "f16"), ("cache.checkpoints", 32)):
        assert (found.options[option] == wish) == ("more" not in reason(found, option))


def test_the_reason_names_what_is_missing_and_what_would_have_to_change() -> None:
    """64 GB with the default GTT of half the memory; the need of 262144 tokens less the limit is missing."""
    found = plan(BOX_64_DEFAULT, SHAPE_27B, CODING, "rocmfp4")
    [context, *_] = found.unmet
    assert (context.wish, context.wanted) == ("context", 262144)
    assert context.words == (
        "context 262144 with f16 KV needs 12,559 MiB more on the device: raise strix_gtt_gib from 30.9 to 44"
    )
    assert reason(found, "context.size") == context.words
    assert context.device_mib == pytest.approx(12_559, abs=1)
    for gib, size in ((43, 245760), (44, 262144)):
        assert plan(box(63200, gib * 1024), SHAPE_27B, CODING, "rocmfp4").options["context.size"] == size


def test_no_limit_of_the_gpu_helps_where_system_memory_is_short() -> None:
    found = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4")
    [checkpoints, _] = found.unmet
    assert "MiB more of system memory" in checkpoints.words
    assert [remedy.what for remedy in checkpoints.remedies] == ["context"]


def test_nothing_above_nine_tenths_of_the_memory_is_offered() -> None:
    """The reserve is less than a tenth here, so that the memory would do."""
    tight = changed(CODING, context={"least": 262144}, kv={"types": ["f16"]}, reserve={"system_mib": 0})
    with pytest.raises(NothingFits) as caught:
        plan(box(46_000, 20_000), SHAPE_27B, tight, "rocmfp4")
    assert [remedy.what for remedy in caught.value.remedies] == ["context.least"]
    with pytest.raises(NothingFits) as caught:
        plan(box(52_000, 20_000), SHAPE_27B, tight, "rocmfp4")
    assert caught.value.remedies[0].words == "raise strix_gtt_gib from 19.5 to 44"


def test_another_variant_may_be_what_is_needed() -> None:
    smaller = SHAPE_27B.model_copy(update={"weights_bytes": SHAPE_27B.weights_bytes - 600 * MIB})
    facts = box(63200, 43_600)
    found = plan(facts, SHAPE_27B, CODING, "rocmfp4", variants={"embF16": smaller, "same": SHAPE_27B})
    assert found.unmet[0].words.endswith("raise strix_gtt_gib from 42.6 to 44, or kv q8_0, or the embF16 variant")
    assert plan(facts, smaller, CODING, "rocmfp4").options["context.size"] == 262144


def test_a_large_carve_out_is_what_would_have_to_change() -> None:
    """32 of 64 GB are the GPU's: the driver then serves from them alone."""
    carved = box(30_000, 15_000, vram_mib=32 * 1024)
    found = plan(carved, SHAPE_27B, CODING, "rocmfp4")
    assert found.budget_mib == 32 * 1024
    [context, *_] = found.unmet
    assert context.words.endswith("set the BIOS carve-out from 32 GiB to its least, strix_gtt_gib to 44")


def test_preferring_context() -> None:
    facts = box(63200, 37_000)
    wide = CODING.model_copy(update={"prefer": ("context", "kv")})
    found = plan(facts, SHAPE_27B, wide, "rocmfp4")
    assert chosen(found)[:2] == (262144, "q8_0")
    assert reason(found, "kv.k") == reason(found, "kv.v")
    assert reason(found, "kv.k").endswith("raise strix_gtt_gib from 36.1 to 44, or context 180224")
    assert chosen(plan(facts, SHAPE_27B, CODING, "rocmfp4"))[:2] == (180224, "f16")


def test_the_runner_up_differs_in_the_most_important_wish_and_says_why_it_lost() -> None:
    found = plan(BOX_64_DEFAULT, SHAPE_27B, CODING, "rocmfp4")
    second = found.runner_up
    assert second is not None
    assert (second.choice.kv, second.choice.context) == ("q8_0", 180224)
    assert second.reason == (
        "kv q8_0 is wished for after f16, and kv decides first; it would have context 180224 instead of 131072"
    )
    alone = plan(BOX_64_DEFAULT, SHAPE_27B, changed(CODING, kv={"types": ["q8_0"]}), "rocmfp4")
    assert pinned(CODING, second.choice) == pinned(CODING, alone.choice)


def test_what_is_not_proven_on_a_backend_is_not_chosen_by_itself() -> None:
    """The fork's HIP build serves a quantised KV from unlogged f16 copies, and mixed types not at all."""
    facts = box(63200, 30_000)
    hip = changed(
        CODING, device={"name": "ROCm0"}, kv={"types": ["f16", "q8_0/f16", "q8_0"]}, context={"least": 131072}
    )
    with pytest.raises(InputError, match="context 131072 with f16 KV"):
        plan(facts, SHAPE_27B, hip, "rocmfp4")
    assert plan(facts, SHAPE_27B, changed(hip, device={"name": "Vulkan0"}), "rocmfp4").choice.kv == "q8_0/f16"
    wide = plan(BOX_128_RAISED, SHAPE_27B, hip, "rocmfp4")
    assert "q8_0/f16 is not considered: the fork's HIP build has no flash-attention kernel" in reason(wide, "kv.k")
    assert "q8_0 is not considered: the fork's HIP build copies a quantised KV" in reason(wide, "kv.k")
    assert wide.warnings == ()


def test_what_is_not_proven_but_pinned_is_taken_with_a_warning() -> None:
    hip = changed(CODING, device={"name": "ROCm0"}, kv={"types": ["q8_0"]}, draft={"kv": "q8_0/f16"})
    found = plan(BOX_128_RAISED, SHAPE_27B, hip, "rocmfp4")
    assert (found.choice.kv, found.choice.draft_kv) == ("q8_0", "q8_0/f16")
    assert [warning.split(",")[0] for warning in found.warnings] == [
        "the profile names nothing better than q8_0 KV",
        "the profile names nothing better than q8_0/f16 draft KV",
    ]
    assert plan(BOX_128_RAISED, SHAPE_27B, hip, "upstream").warnings == ()
    assert plan(BOX_128_RAISED, SHAPE_27B, changed(hip, device={"name": "Vulkan0"}), "rocmfp4").warnings == ()


def test_a_batch_gives_way_where_system_memory_is_short() -> None:
    """The output buffer of 2,048 tokens takes 1,485 MiB of host memory more than that of 512."""
    facts = box(36_000, 40_000)
    found = plan(facts, SHAPE_27B, CODING, "rocmfp4")
    assert found.options["batch.size"] == 512
    assert "a batch of 2048 tokens needs" in reason(found, "batch.size")


def test_drafts_as_deep_as_pays_by_the_model() -> None:
    auto = changed(CODING, draft={"max": "auto", "p_min": "auto"})
    found = plan(BOX_128_RAISED, SHAPE_27B, auto, "rocmfp4")
    assert (found.options["draft.max"], found.options["draft.p_min"]) == (4, 0.0)
    assert "2.2 times the tokens per second without drafts" in reason(found, "draft.max")
    assert "else mostly too deep" in reason(found, "draft.max")
    pin = plan(BOX_128_RAISED, SHAPE_27B, CODING, "rocmfp4")
    assert reason(pin, "draft.max").startswith("pinned by the profile; by the model of drafting 2.1 times")
    assert "(4: 2.2)" in reason(pin, "draft.max")


def test_what_was_measured_on_the_host_decides_about_drafts() -> None:
    auto = changed(CODING, draft={"max": "auto"})
    measured = Drafting(0.6, 0.3, "3 runs", measured=True)
    found = plan(BOX_128_RAISED, SHAPE_27B, auto, "rocmfp4", drafting=measured)
    assert found.options["draft.max"] == measured.depth == 1
    assert "measured on this host 1.2 times" in reason(found, "draft.max")


def test_a_second_service_shares_the_host() -> None:
    alone = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4")
    shared = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4", others=Neighbours(promised=Need(20_000)))
    assert chosen(shared) == (163840, "f16", "f16", "f16", 8)
    assert shared.budget_mib == pytest.approx(alone.budget_mib - 20_000)
    assert "20,000 for other services" in shared.budget_words
    segments = {segment.name: segment.worst for segment in shared.bar.segments}
    assert segments["other services"] == 20_000


def test_a_higher_limit_is_no_remedy_unless_the_other_services_keep_what_they_have() -> None:
    found = plan(BOX_64_DEFAULT, SHAPE_27B, CODING, "rocmfp4", others=Neighbours(promised=Need(5_000)))
    limits = [remedy for item in found.unmet for remedy in item.remedies if remedy.what == "strix_gtt_gib"]
    assert limits
    assert all(remedy.words.endswith(", and pin what the other services have") for remedy in limits)


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
    assert words.startswith("strix01: no plan fits. The smallest is context 65536 with q8_0 KV and 8 checkpoints")
    assert "7,348 MiB more on the device" in words
    assert words.endswith("next: raise strix_gtt_gib from 15.1 to 23")
    assert caught.value.exit_code == 2
    enough = plan(box(31_000, 23 * 1024), SHAPE_27B, CODING, "rocmfp4")
    assert chosen(enough) == (65536, "q8_0", "q8_0", "f16", 8)


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
    assert wishes_of(without, SHAPE_27B, "rocmfp4").wish("kv").values == (CacheTypes.of("f16"),)
    with pytest.raises(InputError, match="flash_attention"):
        wishes_of(changed(without, kv={"types": ("q8_0",)}), SHAPE_27B, "rocmfp4")


def test_the_real_files_sizes() -> None:
    """From the header: f16 embeddings are 2,425 MiB on the host, so that the device starts lower."""
    data, size = strix_27b()
    found = plan(BOX_128_RAISED, shape_from_header(read_header(data, size)), CODING, "rocmfp4")
    assert found.start_mib - DRIVER == pytest.approx(32_121, abs=2)
    assert next(part.mib for part in found.parts if part.name == "token embedding") == 2425
    assert chosen(found) == (262144, "f16", "f16", "f16", 32)
