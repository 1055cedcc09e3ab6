"""The candidates of a profile for a model, the most wished for first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from strixkit.errors import InputError
from strixkit.planner.profile import Profile
from strixkit.planner.run import CONTEXT_STEP, CacheTypes, Family, Run, is_quantised, round_up
from strixkit.planner.shape import ModelShape

CHECKPOINTS = (32, 16, 8, 4)
CACHE_RAM_MIB = (None, 4096, 2048, 1024, 0)  # None is the server's default


@dataclass(frozen=True)
class Wishes:
    """Each wish as a ladder, best first, and the order in which they matter."""

    base: Run
    order: tuple[str, ...]
    kv: tuple[CacheTypes, ...]
    contexts: tuple[int, ...]
    checkpoints: tuple[int, ...]
    cache_ram_mib: tuple[int | None, ...]

    def runs(self) -> Iterator[Run]:
        """All candidates in lexicographic order."""
        for kv, context in self._kv_and_context():
            for checkpoints in self.checkpoints:
                for cache in self.cache_ram_mib:
                    yield replace(self.base, kv=kv, context=context, checkpoints=checkpoints, cache_ram_mib=cache)

    def least(self) -> dict[str, int | None]:
        """The cheapest values of the wishes that come after KV type and context."""
        return {"checkpoints": self.checkpoints[-1], "cache_ram_mib": self.cache_ram_mib[-1]}

    def _kv_and_context(self) -> Iterator[tuple[CacheTypes, int]]:
        if self.order[0] == "kv":
            yield from ((kv, context) for kv in self.kv for context in self.contexts)
        else:
            yield from ((kv, context) for context in self.contexts for kv in self.kv)


def wishes_of(profile: Profile, shape: ModelShape, family: Family) -> Wishes:
    """The ladders of a profile for a model.

    Raises InputError if the profile contradicts itself.
    """
    kv = _kv_types(profile)
    drafts = profile.draft.type != "none" and shape.nextn_layers > 0
    contexts = _contexts(profile, shape)
    base = Run(
        family=family,
        hip=not profile.device.name.lower().startswith("vulkan"),
        context=contexts[0],
        parallel=profile.server.parallel,
        batch=profile.batch.size,
        micro=profile.batch.micro,
        kv=kv[0],
        draft_kv=CacheTypes.of(profile.draft.kv),
        draft_max=profile.draft.max if drafts else -1,
        checkpoints=profile.cache.checkpoints,
        checkpoint_every=profile.cache.checkpoint_every,
        flash_attention=profile.device.flash_attention,
    )
    wished = profile.cache.checkpoints
    pinned = profile.cache.ram_mib
    return Wishes(
        base=base,
        order=(*profile.prefer, "kv"),
        kv=kv,
        contexts=contexts,
        checkpoints=(wished, *(count for count in CHECKPOINTS if count < wished)),
        cache_ram_mib=CACHE_RAM_MIB if pinned is None else (pinned,),
    )


def _kv_types(profile: Profile) -> tuple[CacheTypes, ...]:
    """A quantised V needs flash attention (llama-context.cpp)."""
    types = tuple(dict.fromkeys(CacheTypes.of(words) for words in profile.kv.types))
    usable = tuple(t for t in types if profile.device.flash_attention or not is_quantised(t.v))
    if not usable:
        found = ", ".join(map(str, types))
        raise InputError(
            f"kv.types has only quantised types ({found}), which need device.flash_attention: true",
            hint="switch flash attention on, or add f16 to kv.types",
        )
    return usable


def _contexts(profile: Profile, shape: ModelShape) -> tuple[int, ...]:
    """From the wish by halves down to the least, all multiples of 256; never beyond the model's training."""
    want, least = profile.context.want, profile.context.least
    if least > want:
        raise InputError(
            f"context.least is {least}, more than context.want: {want}",
            hint="set both in the profile; one that it extends may have set context.least",
        )
    if shape.context_length:
        want = min(want, shape.context_length * profile.server.parallel)
    want = round_up(want, CONTEXT_STEP)
    least = min(want, round_up(least, CONTEXT_STEP))
    ladder = []
    while want > least:
        ladder.append(want)
        want = want // 2 // CONTEXT_STEP * CONTEXT_STEP
    return (*ladder, least)
