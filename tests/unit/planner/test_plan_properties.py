"""What holds for any box, any model and any wishes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from planner_cases import CODING, MIB, SHAPE_27B, changed, pinned
from planner_strategies import BOXES, FAMILIES, PROFILES, SHAPES, more_memory, planned, rank

from strixkit.errors import InputError
from strixkit.planner.budget import ALONE, Need, Neighbours
from strixkit.planner.candidates import FIELDS, wishes_of
from strixkit.planner.case import Case
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Facts
from strixkit.planner.kept import Kept
from strixkit.planner.profile import Profile
from strixkit.planner.reasons import NothingFits
from strixkit.planner.remedies import Remedy
from strixkit.planner.run import Family
from strixkit.planner.search import best
from strixkit.planner.shape import ModelShape

SHARES = st.integers(0, 60_000)


def is_carved(facts: Facts) -> bool:
    return facts.gpu is not None and facts.gpu.vram_total_bytes > facts.gpu.gtt_total_bytes


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_a_plan_never_exceeds_the_budget(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    assert found.start_mib <= found.full_mib <= found.worst_mib <= max(0.0, found.budget_mib)
    assert found.worst_mib == pytest.approx(sum(part.mib for part in found.parts if part.where == "device"))
    assert found.host_worst_mib == pytest.approx(sum(part.mib for part in found.parts if part.where == "host"))
    assert found.host_worst_mib <= found.system_budget_mib
    if not is_carved(facts):
        assert found.worst_mib + found.host_worst_mib <= found.system_budget_mib
        assert found.worst_mib + found.host_worst_mib <= facts.memory.available_bytes / MIB


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_a_pinned_value_is_never_changed(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    choice, options = found.choice, found.options
    ladders = {
        "kv": profile.kv.types,
        "parallel": profile.server.parallel,
        "micro": profile.batch.micro,
        "batch": profile.batch.size,
        "checkpoints": profile.cache.checkpoints,
        "cache_ram_mib": profile.cache.ram_mib,
    }
    if profile.draft.type != "none":
        ladders["draft_kv"] = profile.draft.kv
        if profile.draft.max != "auto":
            ladders["draft_max"] = profile.draft.max
    for field, values in ladders.items():
        assert getattr(choice, field) in values
    trained = 262144 * min(profile.server.parallel)
    assert min(profile.context.least, trained) <= choice.context < min(profile.context.want, trained) + 256
    assert choice.context % 256 == 0
    assert options["threads.generate"] == min(profile.threads.generate, facts.cores)
    assert options["cache.ram_mib"] == choice.cache_ram_mib


@given(BOXES, SHAPES, PROFILES, FAMILIES, SHARES)
def test_more_memory_never_gives_a_worse_plan(
    facts: Facts, shape: ModelShape, profile: Profile, family: Family, more: int
) -> None:
    larger = more_memory(facts, more)
    assume(is_carved(larger) == is_carved(facts))
    less, more_of = (planned(host, shape, profile, family) for host in (facts, larger))
    ranks = [rank(found and found.choice, shape, profile, family) for found in (more_of, less)]
    assert ranks[0] <= ranks[1]


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_a_plan_of_its_own_output_is_itself(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    again = plan(facts, shape, pinned(profile, found.choice), family)
    same = ("options", "choice", "sequence", "parts", "bar", "sizes", "full_mib", "beside")
    assert [getattr(again, name) for name in same] == [getattr(found, name) for name in same]
    assert again.unmet == ()
    assert again.runner_up is None


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_the_answer_is_the_same_every_time(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    assert planned(facts.model_copy(), shape.model_copy(), profile.model_copy(), family) == found
    if found is not None:
        assert MemoryPlan.model_validate_json(found.model_dump_json()) == found


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_every_option_has_a_reason(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    assert {reason.option: reason.value for reason in found.reasons} == found.options
    for reason in found.reasons:
        assert reason.reason
        assert "needs :" not in reason.reason
        assert not reason.reason.endswith(("needs ", "need "))
    unmet = {item.wish for item in found.unmet}
    ranks = dict(zip(_names(profile, shape, family), rank(found.choice, shape, profile, family), strict=True))
    assert unmet == {name for name, place in ranks.items() if place}
    assert all(item.device_mib or item.system_mib for item in found.unmet)


def _names(profile: Profile, shape: ModelShape, family: Family) -> list[str]:
    return [wish.name for wish in wishes_of(profile, shape, family).order]


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_the_bar_adds_up(facts: Facts, shape: ModelShape, profile: Profile, family: Family) -> None:
    found = planned(facts, shape, profile, family)
    if found is None:
        return
    bar, free = found.bar, found.bar.segments[-1]
    needs = {
        "start": found.start_mib + found.host_start_mib,
        "full": found.full_mib + found.host_full_mib,
        "worst": found.worst_mib + found.host_worst_mib,
    }
    for moment, need in needs.items():
        sizes = {segment.name: getattr(segment, moment) for segment in bar.segments}
        assert sum(sizes.values()) == pytest.approx(bar.total_mib)
        assert all(size >= -1e-6 for size in sizes.values())
        others = sum(sizes[name] for name in ("other services", "system", "reserve", "free"))
        assert bar.total_mib - others == pytest.approx(need)
        if not is_carved(facts):
            assert sizes["free"] == pytest.approx(found.system_budget_mib - need)
    assert free.start >= free.full >= free.worst


@given(BOXES, PROFILES, FAMILIES, st.one_of(st.just(0), st.integers(0, 20_000)))
def test_every_remedy_is_enough(facts: Facts, profile: Profile, family: Family, promised: int) -> None:
    """Each is put in place, alone: then the wish is met."""
    smaller = SHAPE_27B.model_copy(update={"weights_bytes": SHAPE_27B.weights_bytes // 2})
    others = Neighbours(promised=Need(promised / 2, promised / 2))
    found = planned(facts, SHAPE_27B, profile, family, variants={"small": smaller}, others=others)
    if found is None:
        return
    for item in found.unmet:
        for remedy in item.remedies:
            mended = planned(
                _mended(facts, remedy),
                smaller if remedy.what == "variant" else SHAPE_27B,
                _traded(profile, remedy, found.choice),
                family,
                others=ALONE if remedy.what == "services" else others,
            )
            assert mended is not None
            assert getattr(mended.choice, FIELDS[item.wish]) == item.wanted


@given(BOXES, PROFILES, FAMILIES)
def test_the_limit_that_is_offered_is_the_least_and_below_nine_tenths(
    facts: Facts, profile: Profile, family: Family
) -> None:
    found = planned(facts, SHAPE_27B, profile, family)
    if found is None:
        return
    for item in found.unmet:
        for remedy in item.remedies:
            if remedy.what == "strix_gtt_gib":
                assert isinstance(remedy.value, int)
                assert remedy.value * 1024 <= 0.9 * facts.memory.total_bytes / MIB
                less = _mended(facts, remedy.model_copy(update={"value": remedy.value - 1}))
                if facts.gpu is None or less.gpu is None or less.gpu.gtt_total_bytes <= facts.gpu.gtt_total_bytes:
                    continue  # with less than there is, a more important wish may have given way
                lacking = planned(less, SHAPE_27B, _traded(profile, remedy, found.choice), family)
                assert lacking is None or getattr(lacking.choice, FIELDS[item.wish]) != item.wanted


@given(BOXES, PROFILES, FAMILIES)
def test_where_nothing_fits_every_remedy_is_enough(facts: Facts, profile: Profile, family: Family) -> None:
    smaller = SHAPE_27B.model_copy(update={"weights_bytes": SHAPE_27B.weights_bytes // 2})
    try:
        plan(facts, SHAPE_27B, profile, family, variants={"small": smaller})
    except NothingFits as error:
        for remedy in error.remedies:
            shape = smaller if remedy.what == "variant" else SHAPE_27B
            least = {"least": remedy.value} if remedy.what == "context.least" else {}
            assert planned(_mended(facts, remedy), shape, changed(profile, context=least), family) is not None


def _mended(facts: Facts, remedy: Remedy) -> Facts:
    gpu, memory = facts.gpu, facts.memory
    if remedy.what not in {"strix_gtt_gib", "carve-out"} or gpu is None:
        return facts
    limit = {"gtt_total_bytes": int(remedy.value) << 30}
    if remedy.what == "strix_gtt_gib":
        return facts.model_copy(update={"gpu": gpu.model_copy(update=limit)})
    freed = gpu.vram_total_bytes - (512 << 20)
    more = {"total_bytes": memory.total_bytes + freed, "available_bytes": memory.available_bytes + freed}
    small = gpu.model_copy(update={**limit, "vram_total_bytes": 512 << 20})
    return facts.model_copy(update={"gpu": small, "memory": memory.model_copy(update=more)})


def _traded(profile: Profile, remedy: Remedy, choice: Kept) -> Profile:
    """With the less important value of a wish, or with a smaller least context."""
    profile = pinned(profile, choice, *remedy.pin) if remedy.pin else profile
    if remedy.what == "context.least":
        return changed(profile, context={"least": remedy.value})
    if remedy.what not in FIELDS:
        return profile
    changes = {FIELDS[remedy.what]: remedy.value}  # type: ignore[index]
    return pinned(profile, choice.model_copy(update=changes), remedy.what)


@settings(max_examples=30)
@given(st.integers(14_000, 70_000), st.sampled_from(["Vulkan0", "ROCm0"]), FAMILIES, st.permutations(["kv", "context"]))
def test_the_search_finds_the_first_of_all_candidates(
    usable: int, device: str, family: Family, prefer: list[str]
) -> None:
    profile = changed(
        CODING.model_copy(update={"prefer": tuple(prefer)}),
        context={"want": 65536, "least": 16384},
        batch={"size": [2048, 512]},
        draft={"kv": ["f16", "q8_0"], "max": [3, 1]},
        cache={"checkpoints": [32, 4], "ram_mib": [8192, 0]},
        device={"name": device},
    )
    wishes = wishes_of(profile, SHAPE_27B, family)

    def fits(run: object) -> bool:
        need = case.need(run)  # type: ignore[arg-type]
        return need.device_mib + need.host_mib <= usable

    case = Case(None, SHAPE_27B, profile, wishes, None)  # type: ignore[arg-type]
    candidates = (
        replace(wishes.least, **dict(zip([wish.field for wish in wishes.order], values, strict=True)))  # type: ignore[arg-type]
        for values in itertools.product(*(wish.values for wish in wishes.order))
    )
    assert best(wishes, fits) == next((run for run in candidates if fits(run)), None)


def test_the_least_is_that_beside_the_least_of_the_others() -> None:
    """With 24 checkpoints the fork's prompt cache takes the same at each limit, and without any it does not."""
    profile = changed(CODING, cache={"checkpoints": [0, 1, 24], "ram_mib": [824, 32, 30_000]})
    least = wishes_of(profile, SHAPE_27B, "rocmfp4").least
    assert (least.checkpoints, least.cache_ram_mib) == (0, 32)


def test_contradictions_are_bad_input() -> None:
    with pytest.raises(InputError, match=r"context\.least is 4096, more than context\.want: 2048"):
        wishes_of(changed(CODING, context={"want": 2048, "least": 4096}), SHAPE_27B, "rocmfp4")
