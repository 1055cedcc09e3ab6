"""The wishes of a profile for a model: what may be chosen, the most wished for first, in the order of importance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from strixkit.errors import InputError
from strixkit.planner.draft import Drafting, published
from strixkit.planner.placing import worst_need
from strixkit.planner.profile import Profile, WishName
from strixkit.planner.proven import doubt_of
from strixkit.planner.run import CONTEXT_STEP, CacheTypes, Family, Run, is_quantised, round_up
from strixkit.planner.shape import ModelShape

Value = CacheTypes | int

# All wishes by their fields of a run. What comes last gives way first: it is the cheapest to do without.
FIELDS: dict[WishName, str] = {
    "kv": "kv",
    "context": "context",
    "server.parallel": "parallel",
    "draft.max": "draft_max",
    "draft.kv": "draft_kv",
    "batch.micro": "micro",
    "batch.size": "batch",
    "cache.checkpoints": "checkpoints",
    "cache.ram_mib": "cache_ram_mib",
}
CONTEXT_STEPS = 16  # of the wish; a finer step would gain less than what is free on a box from one day to the next


@dataclass(frozen=True)
class Wish:
    """One thing to choose.

    values: the most wished for first. least: the one that takes the least memory.
    doubts: why values that the profile names are not among them.
    """

    name: WishName
    values: tuple[Value, ...]
    least: Value
    doubts: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """Its field of a run."""
        return FIELDS[self.name]

    @property
    def pinned(self) -> bool:
        """There is nothing to choose."""
        return len(self.values) == 1

    def of(self, run: Run) -> Value:
        """What a run has of it."""
        value: Value = getattr(run, self.field)
        return value

    def on(self, run: Run, value: Value) -> Run:
        """The run with another value of it."""
        return replace(run, **{self.field: value})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Wishes:
    """The wishes in the order of their importance, and the run in which each has its least value."""

    least: Run
    order: tuple[Wish, ...]

    def wish(self, name: WishName) -> Wish:
        """One by its name."""
        return next(wish for wish in self.order if wish.name == name)

    def pinned(self, wish: Wish, value: Value) -> Wishes:
        """The same with one value alone for one of them."""
        only = replace(wish, values=(value,), least=value)
        return Wishes(wish.on(self.least, value), tuple(only if other is wish else other for other in self.order))


def drafting_of(profile: Profile, shape: ModelShape) -> Drafting:
    """What is published of drafting with such a model on the profile's device."""
    return published(shape.architecture, on_hip(profile))


def wishes_of(profile: Profile, shape: ModelShape, family: Family, drafting: Drafting | None = None) -> Wishes:
    """The wishes of a profile for a model.

    drafting: what is known of drafting on this host, instead of what is published.
    Raises InputError if the profile contradicts itself.
    """
    drafting = drafting or drafting_of(profile, shape)
    hip = on_hip(profile)
    drafts = profile.draft.type != "none" and shape.nextn_layers > 0
    depths = tuple(range(drafting.depth, 0, -1)) if profile.draft.max == "auto" else profile.draft.max
    kv, kv_doubts = _proven(_kv_types(profile), family, hip)
    draft_kv, draft_doubts = _proven((CacheTypes.of(words) for words in profile.draft.kv), family, hip)
    values: dict[WishName, tuple[Value, ...]] = {
        "kv": kv,
        "context": _contexts(profile, shape),
        "server.parallel": profile.server.parallel,
        "draft.max": depths if drafts else (-1,),
        "draft.kv": draft_kv if drafts else draft_kv[:1],
        "batch.micro": profile.batch.micro,
        "batch.size": profile.batch.size,
        "cache.checkpoints": profile.cache.checkpoints,
        "cache.ram_mib": profile.cache.ram_mib,
    }
    values = {name: tuple(dict.fromkeys(rungs)) for name, rungs in values.items()}
    last = Run(
        family=family,
        hip=hip,
        checkpoint_every=profile.cache.checkpoint_every,
        flash_attention=profile.device.flash_attention,
        cpu=profile.device.gpu_layers == 0,
        **{FIELDS[name]: rungs[-1] for name, rungs in values.items()},  # type: ignore[arg-type]
    )
    doubts = {"kv": kv_doubts, "draft.kv": draft_doubts if drafts else ()}
    names = dict.fromkeys([*profile.prefer, *FIELDS])
    order = [Wish(name, values[name], values[name][-1], doubts.get(name, ())) for name in names]
    least = last
    for wish in order * 2:  # twice: what a value takes may depend on a wish that comes after
        least = wish.on(least, _least(wish, least, shape, profile))
    return Wishes(least, tuple(replace(wish, least=wish.of(least)) for wish in order))


def on_hip(profile: Profile) -> bool:
    """Whether the device is one of the HIP backend; of a name that is not Vulkan's that is assumed."""
    return profile.device.gpu_layers != 0 and not profile.device.name.lower().startswith("vulkan")


def _least(wish: Wish, run: Run, shape: ModelShape, profile: Profile) -> Value:
    """The value that takes the least memory while the others stay as they are; the latest of equals."""

    def total(value: Value) -> float:
        need = worst_need(shape, profile, wish.on(run, value))
        return need.device_mib + need.host_mib

    return min(reversed(wish.values), key=total)


def _proven(types: Iterable[CacheTypes], family: Family, hip: bool) -> tuple[tuple[CacheTypes, ...], tuple[str, ...]]:
    """The types without those that are not proven on the backend, and why; all, if nothing else is named."""
    found = {kind: doubt_of(family, hip, kind) for kind in types}
    proven = tuple(kind for kind, doubt in found.items() if not doubt)
    if not proven:
        return tuple(found), ()
    return proven, tuple(f"{kind} is not considered: {doubt}" for kind, doubt in found.items() if doubt)


def _kv_types(profile: Profile) -> tuple[CacheTypes, ...]:
    """A quantised V needs flash attention (llama-context.cpp)."""
    types = tuple(CacheTypes.of(words) for words in profile.kv.types)
    usable = tuple(t for t in types if profile.device.flash_attention or not is_quantised(t.v))
    if not usable:
        found = ", ".join(map(str, types))
        raise InputError(
            f"kv.types has only quantised types ({found}), which need device.flash_attention: true",
            hint="switch flash attention on, or add f16 to kv.types",
        )
    return usable


def _contexts(profile: Profile, shape: ModelShape) -> tuple[int, ...]:
    """From the wish by sixteenths down to the least; never beyond the model's training in any slot.

    All are multiples of 256 as llama-server rounds them, and those between even for each slot.
    """
    want, least = profile.context.want, profile.context.least
    if least > want:
        raise InputError(
            f"context.least is {least}, more than context.want: {want}",
            hint="set both in the profile; one that it extends may have set context.least",
        )
    if shape.context_length:
        want = min(want, shape.context_length * min(profile.server.parallel))
    want = round_up(want, CONTEXT_STEP)
    least = min(want, round_up(least, CONTEXT_STEP))
    step = context_step(want, max(profile.server.parallel))
    return (want, *range((want - 1) // step * step, least, -step), *([least] if least < want else []))


def context_step(want: int, parallel: int) -> int:
    """A sixteenth of the wish, or less: 256 tokens for each slot times a power of two."""
    step = CONTEXT_STEP * parallel
    while step * 2 * CONTEXT_STEPS <= want:
        step *= 2
    return step
