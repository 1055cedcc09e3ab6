"""Any box, any wishes: what the planner's property tests draw from."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from planner_cases import CODING, SHAPE_27B, box, changed

from strixkit.errors import InputError
from strixkit.planner.choice import MemoryPlan, plan
from strixkit.planner.facts import Facts
from strixkit.planner.profile import Profile
from strixkit.planner.run import Family
from strixkit.planner.shape import ModelShape

BOXES = st.builds(
    box,
    st.integers(8_000, 260_000),
    st.one_of(st.none(), st.integers(1_000, 250_000)),
    used_mib=st.integers(0, 20_000),
    cores=st.integers(1, 32),
)
PROFILES = st.builds(
    lambda want, share, kinds, checkpoints, ram, parallel, batch, draft, device, prefer: changed(
        CODING.model_copy(update={"prefer": prefer}),
        context={"want": want, "least": max(1, want // share)},
        kv={"types": tuple(kinds)},
        cache={"checkpoints": checkpoints, "ram_mib": ram},
        server={"parallel": parallel},
        batch={"size": batch},
        draft={"type": draft},
        device={"name": device},
    ),
    st.integers(1, 400_000),
    st.integers(1, 16),
    st.lists(st.sampled_from(["f32", "f16", "q8_0", "q5_1", "q4_0"]), min_size=1, max_size=3),
    st.integers(0, 40),
    st.one_of(st.none(), st.integers(0, 20_000)),
    st.integers(1, 4),
    st.sampled_from([256, 512, 2048]),
    st.sampled_from(["draft-mtp", "none"]),
    st.sampled_from(["Vulkan0", "ROCm0"]),
    st.sampled_from([("kv", "context"), ("context", "kv"), ("kv",), ()]),
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
