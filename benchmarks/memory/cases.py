"""The cases: models and settings of a server.

By hand: the models that people run, full size, with the settings that they use. Generated: sizes and settings that
nobody chose, so that no formula can fit them by accident; the same ones each time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.memory.models import Dimensions
from benchmarks.memory.settings import Settings
from strixkit.planner.run import Family

Group = Literal["by hand", "generated", "small"]


class Case(BaseModel):
    """A model and settings. Small ones are for real servers, which read the weights and compute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    group: Group
    model: Dimensions
    settings: Settings

    def fits(self, family: Family) -> bool:
        """Whether servers of this family can read the model: the card's types of tensors are the fork's own."""
        return family == "rocmfp4" or self.model.weights != "strix"


QWEN_27B = Dimensions(
    family="qwen35",
    layers=64,
    embedding=5120,
    feed_forward=17408,
    heads=24,
    kv_heads=4,
    head_length=256,
    vocabulary=248320,
    ssm_inner=6144,
    ssm_state=128,
    ssm_heads=48,
    ssm_groups=16,
    nextn=1,
    weights="q4",
)
QWEN_35B = Dimensions(
    family="qwen35moe",
    layers=40,
    embedding=2048,
    feed_forward=512,
    heads=16,
    kv_heads=2,
    head_length=256,
    vocabulary=248320,
    experts=256,
    experts_used=8,
    shared_feed_forward=512,
    ssm_inner=4096,
    ssm_state=128,
    ssm_heads=32,
    ssm_groups=16,
    nextn=1,
    weights="q8_0",
)
QWEN_9B = Dimensions(
    family="qwen35",
    layers=32,
    embedding=4096,
    feed_forward=12288,
    heads=16,
    kv_heads=4,
    head_length=256,
    vocabulary=248320,
    ssm_inner=4096,
    ssm_state=128,
    ssm_heads=32,
    ssm_groups=16,
    weights="q8_0",
)
LLAMA_8B = Dimensions(
    family="llama",
    layers=32,
    embedding=4096,
    feed_forward=14336,
    heads=32,
    kv_heads=8,
    head_length=128,
    vocabulary=128256,
    weights="q8_0",
)
LLAMA_1B = replace(LLAMA_8B, layers=16, embedding=2048, feed_forward=8192, head_length=64, tied=True, weights="f16")
QWEN3_8B = Dimensions(
    family="qwen3",
    layers=36,
    embedding=4096,
    feed_forward=12288,
    heads=32,
    kv_heads=8,
    head_length=128,
    vocabulary=151936,
    weights="q4_0",
)
QWEN3_30B = Dimensions(
    family="qwen3moe",
    layers=48,
    embedding=2048,
    feed_forward=768,
    heads=32,
    kv_heads=4,
    head_length=128,
    vocabulary=151936,
    experts=128,
    experts_used=8,
    weights="q4_0",
)
GEMMA2_9B = Dimensions(
    family="gemma2",
    layers=42,
    embedding=3584,
    feed_forward=14336,
    heads=16,
    kv_heads=8,
    head_length=256,
    vocabulary=256000,
    window=4096,
    tied=True,
    weights="q8_0",
)
GEMMA3_12B = Dimensions(
    family="gemma3",
    layers=48,
    embedding=3840,
    feed_forward=15360,
    heads=16,
    kv_heads=8,
    head_length=256,
    vocabulary=262144,
    window=1024,
    tied=True,
    weights="q4_0",
)
MAMBA2_3B = Dimensions(
    family="mamba2",
    layers=64,
    embedding=2560,
    vocabulary=50288,
    ssm_inner=5120,
    ssm_state=128,
    ssm_heads=80,
    weights="f16",
)

# One prompt fills the context.
FULL: Mapping[str, Any] = {"checkpoints": 32}

# name, model, settings that are not the defaults.
BY_HAND: tuple[tuple[str, Dimensions, Mapping[str, Any]], ...] = (
    *(
        (f"27b {name}", QWEN_27B, options)
        for name, options in (
            ("card", {"context": 262144, "micro": 256, "draft_max": 3, "checkpoints": 32, "prompts": (20000,)}),
            ("card, q8_0", {"context": 262144, "micro": 256, "draft_max": 3, "kv": "q8_0"}),
            ("card, q8_0/f16", {"context": 262144, "micro": 256, "draft_max": 3, "kv": "q8_0/f16"}),
            ("256K, all q8_0", {"context": 262144, "micro": 512, "draft_max": 3, "kv": "q8_0", "draft_kv": "q8_0"}),
            ("256K, no draft", {"context": 262144, "micro": 256}),
            ("256K, ub 2048", {"context": 262144, "micro": 2048, "draft_max": 2}),
            ("192K", {"context": 196608, "micro": 1024, "draft_max": 4, "kv": "q8_0"}),
            ("128K", {"context": 131072, "micro": 256, "draft_max": 3, "checkpoints": 8, "prompts": (30000, 9000)}),
            ("128K, 4 slots", {"context": 131072, "parallel": 4, "draft_max": 3}),
            ("128K, 4 slots share", {"context": 131072, "parallel": 4, "unified": True, "draft_max": 3}),
            ("64K, ub 64", {"context": 65536, "micro": 64, "draft_max": 3, "kv": "q4_0"}),
            ("64K, 2 slots", {"context": 65536, "micro": 128, "parallel": 2, "draft_max": 1, "kv": "q8_0"}),
            ("32K", {"context": 32768, "batch": 512, "micro": 256, "draft_max": 6, "draft_kv": "q8_0"}),
            ("16K, f32", {"context": 16384, "micro": 2048, "kv": "f32", "draft_kv": "f32", "draft_max": 3}),
            (
                "4K",
                {
                    "context": 4096,
                    "batch": 512,
                    "micro": 512,
                    "draft_max": 3,
                    "checkpoints": 4,
                    "cache_ram_mib": 8192,
                    "prompts": (3000, 2000),
                },
            ),
        )
    ),
    *(
        (f"27b of the card, {name}", replace(QWEN_27B, weights="strix"), options)
        for name, options in (
            ("256K", {"context": 262144, "micro": 256, "draft_max": 3, "checkpoints": 32, "prompts": (20000,)}),
            ("64K, q8_0", {"context": 65536, "micro": 512, "draft_max": 3, "kv": "q8_0", "draft_kv": "q8_0"}),
            ("32K, no draft", {"context": 32768, "micro": 256}),
        )
    ),
    ("27b full 256K", QWEN_27B, {**FULL, "context": 262144, "micro": 256, "draft_max": 3, "prompts": (261888,)}),
    ("27b full 64K, often", QWEN_27B, {**FULL, "context": 65536, "checkpoint_every": 256, "prompts": (65280,)}),
    ("9b full 32K", QWEN_9B, {**FULL, "context": 32768, "kv": "q8_0", "prompts": (32512,)}),
    ("gemma3 12b full 16K", GEMMA3_12B, {**FULL, "context": 16384, "prompts": (16128,)}),
    ("35b-a3b 256K", QWEN_35B, {"context": 262144, "micro": 512, "draft_max": 2}),
    ("35b-a3b 128K, q8_0", QWEN_35B, {"context": 131072, "micro": 2048, "kv": "q8_0"}),
    (
        "35b-a3b 64K, 4 slots",
        QWEN_35B,
        {"context": 65536, "micro": 256, "parallel": 4, "draft_max": 3, "checkpoints": 8, "prompts": (9000,)},
    ),
    ("9b 128K", QWEN_9B, {"context": 131072, "micro": 512, "checkpoints": 16, "prompts": (12000,)}),
    ("9b 32K, mixed", QWEN_9B, {"context": 32768, "micro": 1024, "kv": "q8_0/q4_0", "parallel": 2, "unified": True}),
    ("llama 8b 128K", LLAMA_8B, {"context": 131072, "micro": 512}),
    ("llama 8b 64K, q8_0", LLAMA_8B, {"context": 65536, "micro": 2048, "kv": "q8_0", "parallel": 4}),
    ("llama 8b 8K, no flash attention", LLAMA_8B, {"context": 8192, "flash_attention": False}),
    ("llama 1b 32K, tied", LLAMA_1B, {"context": 32768, "micro": 128, "parallel": 2, "unified": True}),
    ("qwen3 8b 40K", QWEN3_8B, {"context": 40960, "micro": 512, "kv": "q4_0"}),
    ("qwen3 8b 16K, f32", QWEN3_8B, {"context": 16384, "micro": 1024, "kv": "f32", "parallel": 2}),
    ("qwen3 30b-a3b 256K", QWEN3_30B, {"context": 262144, "micro": 512, "kv": "q8_0"}),
    ("qwen3 30b-a3b 32K", QWEN3_30B, {"context": 32768, "micro": 2048, "parallel": 4}),
    ("gemma2 9b 8K", GEMMA2_9B, {"context": 8192, "micro": 512, "checkpoints": 4, "prompts": (6000,)}),
    ("gemma2 9b 32K, 2 slots", GEMMA2_9B, {"context": 32768, "micro": 256, "parallel": 2}),
    ("gemma3 12b 128K", GEMMA3_12B, {"context": 131072, "micro": 512, "checkpoints": 8, "prompts": (12000,)}),
    ("gemma3 12b 64K, q8_0", GEMMA3_12B, {"context": 65536, "micro": 2048, "kv": "q8_0", "parallel": 4}),
    ("gemma3 12b 32K, shared", GEMMA3_12B, {"context": 32768, "micro": 512, "parallel": 4, "unified": True}),
    ("mamba2 3b", MAMBA2_3B, {"context": 131072, "micro": 512, "checkpoints": 8, "prompts": (12000,)}),
    ("mamba2 3b, 4 slots", MAMBA2_3B, {"context": 32768, "micro": 2048, "parallel": 4}),
)

FAMILIES = ("qwen35", "qwen35 with MTP", "llama", "qwen3", "qwen3moe", "qwen35moe", "gemma2", "gemma3", "mamba2")
CONTEXTS = (4096, 65536, 8192, 131072, 16384, 262144, 32768)
MICROS = (64, 512, 2048, 128, 1024, 256)
KV = ("f16", "q8_0", "q4_0", "f16", "q8_0/f16", "q8_0", "f32", "f16", "q8_0/q4_0", "f16", "q5_1")
SLOTS = ((1, False), (2, False), (4, True), (1, False), (4, False), (2, True))
# lavapipe has no buffer above 128 MiB, which a mask of more would need (maxStorageBufferRange; RADV: 4 GiB).
SMALL_MICRO = 1024
OF_EACH_FAMILY = {"generated": 6, "small": 4}


def all_cases() -> list[Case]:
    """Every case, those of one model one after the other."""
    by_hand = [
        Case(name=name, group="by hand", model=model, settings=Settings(**options)) for name, model, options in BY_HAND
    ]
    return [*by_hand, *_generated("generated"), *_generated("small")]


def _generated(group: Group) -> Iterator[Case]:
    number = 0
    for family in FAMILIES:
        for index in range(OF_EACH_FAMILY[group]):
            rng = random.Random(f"{group} {family} {index}")
            model = _model(rng, family, small=group == "small")
            settings = _settings(rng, model, number, small=group == "small")
            yield Case(name=f"{group} {family} {index + 1}", group=group, model=model, settings=settings)
            number += 1


def _model(rng: random.Random, family: str, *, small: bool) -> Dimensions:
    """A model of the family with sizes that occur."""
    architecture, _, extra = family.partition(" ")
    kv_heads = rng.choice((1, 2) if small else (1, 2, 4, 8))
    head_length = rng.choice((64, 128) if small else (64, 128, 256))
    weights = rng.choice(("f16", "q8_0") if small else ("f16", "q8_0", "q4_0", "q5_1"))
    embedding = 256 * (rng.randint(1, 3) if small else rng.randint(4, 24))
    model = Dimensions(
        family=architecture,
        layers=rng.randint(2, 6) if small else rng.randint(8, 48),
        embedding=embedding,
        feed_forward=256 * (rng.randint(1, 6) if small else rng.randint(4, 80)),
        heads=kv_heads * rng.choice((1, 2, 4)),
        kv_heads=kv_heads,
        head_length=head_length,
        vocabulary=rng.choice((1000, 5000, 20000) if small else (32000, 128256, 151936, 248320)),
        tied=architecture.startswith("gemma") or rng.random() < 0.3,
        weights=weights,
    )
    if "moe" in architecture:
        experts = rng.choice((4, 8) if small else (16, 64, 128))
        width = 256 * (rng.randint(1, 2) if small else rng.randint(1, 6))
        shared = width if architecture == "qwen35moe" else 0
        used = rng.choice((2, 4) if small else (2, 4, 8))
        model = replace(model, experts=experts, experts_used=used, feed_forward=width, shared_feed_forward=shared)
    if architecture.startswith("gemma"):
        model = replace(model, window=rng.choice((512, 1024) if small else (512, 1024, 4096)))
    if architecture.startswith("qwen35") or architecture == "mamba2":
        model = _recurrent(rng, model, small=small)
    return replace(model, nextn=1) if extra else model


def _recurrent(rng: random.Random, model: Dimensions, *, small: bool) -> Dimensions:
    """The state has heads of its own; in Mamba 2 they are as wide as the model has room for."""
    groups = rng.choice((1, 2) if small else (4, 8, 16))
    state = rng.choice((64, 128)) if not small else 64
    if model.family == "mamba2":
        inner = 2 * model.embedding
        # Vulkan computes no Mamba 2 with a smaller state.
        return replace(
            model, ssm_inner=inner, ssm_state=128, ssm_heads=inner // 64, ssm_groups=1, feed_forward=0, heads=1
        )
    heads = groups * rng.choice((1, 2, 3))
    layers = 4 * max(1, model.layers // 4)
    return replace(
        model, layers=layers, ssm_inner=heads * state, ssm_state=state, ssm_heads=heads, ssm_groups=groups, tied=False
    )


def _settings(rng: random.Random, model: Dimensions, number: int, *, small: bool) -> Settings:
    """Lists with lengths that have no common divisor, or shifted by one each round, so that all values meet."""
    contexts = [context for context in CONTEXTS if not small or context <= 32768]
    parallel, unified = SLOTS[(number + number // len(MICROS)) % len(SLOTS)]
    context = contexts[number % len(contexts)]
    kv = KV[number % len(KV)]
    remembers = bool(model.ssm_inner or model.window)
    # Mixed types have no flash attention on HIP: the CPU computes it, for minutes.
    prompted = remembers and number % 2 == 0 and "/" not in kv
    prompt = min(context // (1 if unified else parallel) * 3 // 4, 600 if small else 12000)
    return Settings(
        context=context,
        batch=rng.choice((512, 2048)),
        micro=min(MICROS[number % len(MICROS)], SMALL_MICRO if small else max(MICROS)),
        parallel=parallel,
        unified=unified,
        kv=kv,
        draft_kv=rng.choice(("f16", "q8_0")) if model.nextn else "f16",
        draft_max=rng.choice((1, 2, 3, 5)) if model.nextn and number % 6 != 5 else -1,
        checkpoints=rng.choice((3, 8)) if prompted else 0,
        checkpoint_every=2048,
        cache_ram_mib=4096 if prompted else 0,
        prompts=(prompt, prompt // 2) if prompted else (),
    )
