"""Any box, any wishes: what the planner's property tests draw from."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from planner_cases import CODING, SHAPE_27B, box, changed

from strixkit.errors import InputError
from strixkit.planner.candidates import FIELDS, wishes_of
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Facts
from strixkit.planner.kept import Kept
from strixkit.planner.profile import Profile
from strixkit.planner.run import Family
from strixkit.planner.shape import ModelShape

KV_WORDS = ["f32", "f16", "bf16", "q8_0", "q5_1", "q4_0", "q8_0/f16", "f16/q8_0"]

BOXES = st.builds(
    box,
    # Mostly where a 27B fits, but not all that is wished.
    st.one_of(st.integers(24_000, 90_000), st.integers(8_000, 260_000)),
    st.one_of(st.integers(18_000, 60_000), st.integers(18_000, 60_000), st.none(), st.integers(1_000, 250_000)),
    used_mib=st.integers(0, 10_000),
    vram_mib=st.one_of(st.just(512), st.just(512), st.integers(512, 100_000)),
    cores=st.integers(1, 32),
)


def ladder(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    """One value, which is a pin, or several, in any order."""
    return st.lists(values, min_size=1, max_size=most, unique=True)


PROFILES = st.builds(
    lambda want, share, prefer, kv, cache, parallel, batch, draft, device: changed(
        CODING.model_copy(update={"prefer": tuple(prefer)}),
        context={"want": want, "least": max(1, want // share)},
        kv={"types": kv},
        cache=cache,
        server={"parallel": parallel},
        batch=batch,
        draft=draft,
        device=device,
    ),
    st.one_of(st.sampled_from([65_536, 262_144]), st.integers(1, 400_000)),
    st.integers(1, 64),
    st.lists(st.sampled_from(list(FIELDS)), max_size=3, unique=True),
    ladder(st.sampled_from(KV_WORDS)),
    st.fixed_dictionaries(
        {"checkpoints": ladder(st.integers(0, 40)), "checkpoint_every": st.sampled_from([256, 8192])},
        optional={"ram_mib": ladder(st.integers(0, 20_000))},
    ),
    ladder(st.integers(1, 4), 2),
    st.fixed_dictionaries(
        {"size": ladder(st.sampled_from([512, 1024, 2048])), "micro": ladder(st.sampled_from([64, 256, 512]), 2)}
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["draft-mtp", "draft-mtp", "none"]),
            "kv": ladder(st.sampled_from(KV_WORDS), 2),
            "max": st.one_of(st.just("auto"), ladder(st.integers(1, 6))),
        }
    ),
    st.fixed_dictionaries(
        {"name": st.sampled_from(["Vulkan0", "ROCm0"]), "gpu_layers": st.sampled_from([999, 999, 0])}
    ),
)
SHAPES = st.sampled_from([SHAPE_27B, SHAPE_27B.model_copy(update={"recurrent": None, "attention_layers": 64})])
FAMILIES: st.SearchStrategy[Family] = st.sampled_from(["rocmfp4", "upstream"])


def planned(facts: Facts, shape: ModelShape, profile: Profile, family: Family, **more: Any) -> MemoryPlan | None:
    """The plan, or None if nothing fits."""
    try:
        return plan(facts, shape, profile, family, **more)
    except InputError as error:
        if "no plan fits" not in str(error):
            raise
        return None


def rank(choice: Kept | None, shape: ModelShape, profile: Profile, family: Family) -> tuple[int, ...]:
    """How far down each ladder a choice is, the most important first; to compare. Nothing is worse than anything."""
    if choice is None:
        return (1_000_000,)
    wishes = wishes_of(profile, shape, family)
    run = choice.run(wishes)
    return tuple(wish.values.index(wish.of(run)) for wish in wishes.order)


def more_memory(facts: Facts, more: int) -> Facts:
    """The host with so many MiB more of system memory and of GTT."""
    extra, gpu, memory = more << 20, facts.gpu, facts.memory
    sizes = {
        "total_bytes": memory.total_bytes + extra,
        "available_bytes": memory.available_bytes + extra,
    }
    return facts.model_copy(
        update={
            "memory": memory.model_copy(update=sizes),
            "gpu": gpu and gpu.model_copy(update={"gtt_total_bytes": gpu.gtt_total_bytes + extra}),
        }
    )
