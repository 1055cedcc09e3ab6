"""A running release keeps its choice, and the services of a host never get more than it has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planner_cases import BOX_64_DEFAULT, BOX_64_RAISED, BOX_128_RAISED, CODING, MIB, SHAPE_27B, box, changed
from planner_strategies import BOXES, FAMILIES, PROFILES, SHAPES, planned

from strixkit.planner import proven
from strixkit.planner.budget import Need, Neighbours
from strixkit.planner.candidates import wishes_of
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Facts
from strixkit.planner.kept import Kept, wishes_digest
from strixkit.planner.profile import Profile, WishName
from strixkit.planner.proven import HIP_DOUBTS
from strixkit.planner.reasons import KEPT, OPTIONS
from strixkit.planner.run import Family
from strixkit.planner.shape import ModelShape
from strixkit.planner.sharing import Neighbour, Sizes, holds, neighbours_of

SERVICES = [("main", "coding", "qwen3.6-27b-mtp", "embF16")]
SHARES = st.floats(0, 1)


def with_less(facts: Facts, need: Need) -> Facts:
    """The host while something holds `need`, as it is measured."""
    gpu = facts.gpu
    carved = gpu is not None and gpu.vram_total_bytes > gpu.gtt_total_bytes
    taken = int((need.host_mib + (0 if carved else need.device_mib)) * MIB)
    memory = {"available_bytes": max(0, facts.memory.available_bytes - taken)}
    used = gpu and gpu.model_copy(update={"gtt_used_bytes": gpu.gtt_used_bytes + int(need.device_mib * MIB)})
    return facts.model_copy(update={"memory": facts.memory.model_copy(update=memory), "gpu": used})


def grown(sizes: Sizes, share: float) -> Need:
    """Between the start and the worst."""
    start, worst = sizes.start, sizes.worst
    return Need(
        start.device_mib + share * (worst.device_mib - start.device_mib),
        start.host_mib + share * (worst.host_mib - start.host_mib),
    )


@given(BOXES, BOXES, SHAPES, PROFILES, FAMILIES)
def test_a_kept_choice_is_kept_whatever_is_free(
    facts: Facts, other: Facts, shape: ModelShape, profile: Profile, family: Family
) -> None:
    first = planned(facts, shape, profile, family)
    if first is None:
        return
    other = other.model_copy(update={"cores": facts.cores})
    again = plan(other, shape, profile, family, keep=first.choice)
    same = ("options", "choice", "sequence", "parts", "sizes", "full_mib")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
    fresh = planned(other, shape, profile, family)
    assert again.fresh == (None if fresh is None or fresh.choice == first.choice else fresh.choice)
    assert bool(again.note) == (fresh is None or fresh.choice != first.choice)
    open_options = {option for wish in _wishes(profile, shape, family) for option in OPTIONS[wish]}
    reasons = {reason.option: reason.reason for reason in again.reasons}
    assert all(KEPT in reasons[option] for option in open_options)


def _wishes(profile: Profile, shape: ModelShape, family: Family) -> list[WishName]:
    """Those that are not pinned."""
    return [wish.name for wish in wishes_of(profile, shape, family).order if not wish.pinned]


@given(BOXES, SHAPES, PROFILES, FAMILIES)
def test_keeping_ones_own_choice_changes_nothing(
    facts: Facts, shape: ModelShape, profile: Profile, family: Family
) -> None:
    first = planned(facts, shape, profile, family)
    if first is not None:
        again = plan(facts, shape, profile, family, keep=first.choice)
        assert again.model_copy(update={"reasons": first.reasons}) == first
        assert again.unmet == first.unmet
        assert Kept.model_validate_json(first.choice.model_dump_json()) == first.choice


@given(BOXES, SHAPES, PROFILES, PROFILES, FAMILIES, SHARES, SHARES)
def test_two_services_fit_together_and_stay(
    facts: Facts, shape: ModelShape, one: Profile, two: Profile, family: Family, share: float, other_share: float
) -> None:
    """Neither depends on how far the other has grown, and the first is planned the same beside the second."""
    first = planned(facts, shape, one, family)
    if first is None:
        return
    held = grown(first.sizes, share)
    others = neighbours_of([Neighbour(first.sizes.worst, held)])
    second = planned(with_less(facts, held), shape, two, family, others=others)
    if second is None:
        return
    _fit_together(first, second, facts)
    other_held = grown(second.sizes, other_share)
    again = planned(
        with_less(facts, held + other_held),
        shape,
        one,
        family,
        others=neighbours_of([Neighbour(second.sizes.worst, other_held)]),
        running=held,
        keep=None,
    )
    # Bytes are whole numbers: a plan that fits to the last byte may lose by one.
    both = sum(found.worst_mib + found.host_worst_mib for found in (first, second))
    nearly = first.system_budget_mib - both < 1
    assert nearly or (again is not None and again.choice == first.choice)


def _fit_together(first: MemoryPlan, second: MemoryPlan, facts: Facts) -> None:
    device = first.worst_mib + second.worst_mib
    host = first.host_worst_mib + second.host_worst_mib
    carved = facts.gpu is not None and facts.gpu.vram_total_bytes > facts.gpu.gtt_total_bytes
    assert device <= first.budget_mib + 1
    assert host + (0 if carved else device) <= first.system_budget_mib + 1


def test_a_neighbour_that_does_not_run_is_promised_its_worst() -> None:
    assert neighbours_of([Neighbour(Need(30, 5))]) == Neighbours(promised=Need(30, 5))
    running = [Neighbour(Need(30, 5), held=Need(20, 6)), Neighbour(Need(1, 1))]
    assert neighbours_of(running) == Neighbours(held=Need(20, 6), promised=Need(11, 1))


@pytest.mark.parametrize(
    ("start", "measured", "held"),
    [
        (Need(100, 10), Need(0, 0), Need(100, 10)),  # nothing could be measured
        (Need(100, 10), Need(120, 15), Need(120, 15)),  # grown on both sides
        (Need(100, 10), Need(0, 150), Need(100, 50)),  # a software device: all of it is host memory
        (Need(100, 10), Need(0, 20), Need(100, 10)),  # HIP: the device's part is not seen
        (Need(100, 10), Need(105, 0), Need(105, 5)),
    ],
)
def test_what_a_running_server_holds(start: Need, measured: Need, held: Need) -> None:
    assert holds(start, measured) == held


def test_what_neighbours_hold_is_not_free_whatever_gtt_used_says() -> None:
    """One report has it that hipMalloc is not in mem_info_gtt_used; a simulated host never changes."""
    others = Neighbours(held=Need(20_000, 0))
    found = plan(BOX_128_RAISED, SHAPE_27B, CODING, "rocmfp4", others=others)
    assert found.budget_mib == 108 * 1024 - 20_000
    alone = plan(BOX_128_RAISED, SHAPE_27B, CODING, "rocmfp4", running=Need(40_000, 3_000))
    assert alone.budget_mib == 108 * 1024


def test_the_words_of_a_budget_are_a_sum_of_each_limit() -> None:
    others = Neighbours(held=Need(20_000, 500), promised=Need(10_000, 2_000))
    busy = with_less(BOX_128_RAISED, others.held)
    words = plan(busy, SHAPE_27B, CODING, "rocmfp4", others=others).budget_words
    assert words.startswith("the least of GTT 110,592 MiB - 20,060 used - 10,000 for other services, and ")
    assert words.endswith(" MiB of system memory available - 4,096 reserve - 12,000 for other services")
    simulated = plan(BOX_128_RAISED, SHAPE_27B, CODING, "rocmfp4", others=Neighbours(held=Need(50_000, 0)))
    assert simulated.budget_words.endswith(" MiB of system memory - 4,096 reserve - 50,000 for other services")
    again = plan(BOX_128_RAISED, SHAPE_27B, CODING, "rocmfp4", running=Need(40_000, 3_000)).budget_words
    assert again.startswith("the least of GTT 110,592 MiB - 0 used, and ")


def test_a_carve_out_is_shared_too() -> None:
    """There is no measure of what is used of it: neighbours count with all that they may take."""
    carved = box(31_000, 15_868, vram_mib=98_304)
    others = Neighbours(held=Need(30_000, 1_000), promised=Need(10_000, 500))
    found = plan(with_less(carved, others.held), SHAPE_27B, CODING, "rocmfp4", others=others)
    assert found.budget_mib == 98_304 - 40_000
    alone = plan(carved, SHAPE_27B, CODING, "rocmfp4")
    assert found.system_budget_mib == alone.system_budget_mib - 1_500


def test_the_note_names_what_is_missing_and_what_would_be_chosen() -> None:
    kept = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4").choice
    worse = plan(BOX_64_DEFAULT, SHAPE_27B, CODING, "rocmfp4", keep=kept)
    assert worse.fresh is not None
    assert worse.fresh.words == (
        "context 131072 (f16 KV, f16 draft KV, drafts of 3, batch 2048, 8 checkpoints, prompt cache 0 MiB)"
    )
    assert worse.note.startswith("the choice that is kept needs ")
    assert worse.note.endswith(f"a fresh plan would choose {worse.fresh.words}")
    better = plan(BOX_64_RAISED, SHAPE_27B, CODING, "rocmfp4", keep=worse.fresh)
    assert better.note == f"a fresh plan would choose {kept.words}"
    none = plan(box(8_000, 4_000), SHAPE_27B, CODING, "rocmfp4", keep=kept)
    assert none.note.endswith("no other fits")
    assert none.fresh is None


def test_beside_needs_room_for_both() -> None:
    held = Need(50_000, 3_000)
    for facts, fits in ((BOX_128_RAISED, True), (BOX_64_RAISED, False)):
        busy = with_less(facts, held)
        assert plan(busy, SHAPE_27B, CODING, "rocmfp4", running=held).beside == fits


def test_a_slots_context_is_the_servers() -> None:
    """131072 tokens for three slots: llama-server rounds each up to 256 tokens."""
    three = changed(CODING, context={"want": 131072}, server={"parallel": 3})
    found = plan(BOX_128_RAISED, SHAPE_27B, three, "rocmfp4")
    assert found.options["context.size"] == 131072
    assert found.sequence == 43776


def digest(
    facts: Facts = BOX_64_DEFAULT,
    shape: ModelShape = SHAPE_27B,
    profile: Profile = CODING,
    family: Family = "rocmfp4",
    services: list[tuple[str, ...]] = SERVICES,
) -> str:
    return wishes_digest(facts, shape, profile, family, services)


def test_another_wording_of_a_doubt_is_no_other_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    on_rocm = changed(CODING, device={"name": "ROCm0"})
    before = digest(profile=on_rocm)
    monkeypatch.setattr(proven, "HIP_DOUBTS", tuple(replace(doubt, why="in other words") for doubt in HIP_DOUBTS))
    assert digest(profile=on_rocm) == before
    monkeypatch.setattr(proven, "HIP_DOUBTS", ())
    assert digest(profile=on_rocm) != before


def test_the_digest_is_of_wishes_and_not_of_the_moment() -> None:
    used = with_less(BOX_64_DEFAULT, Need(20_000, 3_000))
    kernel = box(63200 + 20, 31600 - 20)
    warmer = changed(CODING, sampling={"temperature": 1.0}, server={"port": 8081})
    assert len(digest()) == 12
    assert digest(used) == digest(kernel) == digest(profile=warmer) == digest()


def test_the_digest_changes_with_all_that_shapes_the_choice() -> None:
    found = [
        digest(),
        digest(BOX_64_RAISED),
        digest(box(128087, 31600)),
        digest(box(63200, 31600, cores=8)),
        digest(box(63200, None)),
        digest(shape=SHAPE_27B.model_copy(update={"weights_bytes": 1})),
        digest(profile=changed(CODING, context={"want": 131072})),
        digest(profile=changed(CODING, kv={"types": ("q8_0",)})),
        digest(profile=changed(CODING, cache={"ram_mib": 0})),
        digest(profile=changed(CODING, reserve={"system_mib": 8192})),
        digest(profile=changed(CODING, device={"gpu_layers": 0})),
        digest(profile=CODING.model_copy(update={"prefer": ("context", "kv")})),
        digest(family="upstream"),
        digest(services=[*SERVICES, ("second", "general", "tiny", "f32")]),
        digest(services=[("main", "general", *SERVICES[0][2:])]),
    ]
    assert len(set(found)) == len(found)
