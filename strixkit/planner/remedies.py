"""What would have to change for a candidate to fit: each remedy is tried before it is offered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from strixkit.planner.budget import ALONE, Need
from strixkit.planner.candidates import Wish, context_step
from strixkit.planner.case import Case
from strixkit.planner.facts import Facts, Gpu
from strixkit.planner.parts import MIB
from strixkit.planner.run import CONTEXT_STEP, Run

GIB_MIB = 1024
# The limit of the GPU's share of system memory; amd-ttm asks before it sets more.
GTT_SHARE = 0.9
# What a BIOS still sets aside at its least: 512 MiB on a Framework Desktop.
LEAST_CARVE_OUT = 512 * MIB


class Remedy(BaseModel):
    """One thing to change, alone enough.

    what: an option of a profile or of the inventory, or "variant", "carve-out", "services".
    """

    model_config = ConfigDict(frozen=True)

    what: str
    value: int | str
    words: str


def remedies_of(case: Case, run: Run, wish: Wish | None = None) -> tuple[Remedy, ...]:
    """What would make a candidate fit, the least costly first.

    wish: the one that the candidate meets, for which a more important one could give way.
    """
    return (
        *_limit(case, run),
        *_trade(case, run, wish),
        *_less_context(case, run, wish),
        *_variants(case, run),
        *_others(case, run),
    )


def missing_words(case: Case, short: Need) -> str:
    """What is missing, in MiB."""
    words = []
    if short.device_mib and case.budget.ceiling != "system":
        words.append(f"{short.device_mib:,.0f} MiB more on the device")
    if short.host_mib:
        words.append(f"{short.host_mib:,.0f} MiB more of system memory")
    return " and ".join(words)


def _limit(case: Case, run: Run) -> Iterator[Remedy]:
    """A higher limit of GTT; no limit helps where system memory itself is short."""
    gpu, short = case.facts.gpu, case.shortfall(run)
    if gpu is None or not short.device_mib:
        return
    if case.budget.ceiling == "carve-out":
        if gib := _least_gtt(case, _with_small_carve_out(case.facts, gpu), run):
            words = f"set the BIOS carve-out from {_gib(gpu.vram_total_bytes)} GiB to its least, strix_gtt_gib to {gib}"
            yield Remedy(what="carve-out", value=gib, words=words)
    elif gib := _least_gtt(case, case.facts, run):
        words = f"raise strix_gtt_gib from {_gib(gpu.gtt_total_bytes)} to {gib}"
        yield Remedy(what="strix_gtt_gib", value=gib, words=words)


def _gib(size: int) -> str:
    return f"{size / MIB / GIB_MIB:.1f}".removesuffix(".0")


def _with_small_carve_out(facts: Facts, gpu: Gpu) -> Facts:
    freed = gpu.vram_total_bytes - LEAST_CARVE_OUT
    memory = {"total_bytes": facts.memory.total_bytes + freed, "available_bytes": facts.memory.available_bytes + freed}
    small = gpu.model_copy(update={"vram_total_bytes": LEAST_CARVE_OUT})
    return facts.model_copy(update={"memory": facts.memory.model_copy(update=memory), "gpu": small})


def _least_gtt(case: Case, facts: Facts, run: Run) -> int:
    """The least limit in whole GiB with which the candidate fits; 0 if none does."""

    def with_limit(gib: int) -> Case:
        assert facts.gpu is not None
        gpu = facts.gpu.model_copy(update={"gtt_total_bytes": gib * GIB_MIB * MIB})
        return replace(case, facts=facts.model_copy(update={"gpu": gpu}))

    most = math.floor(GTT_SHARE * facts.memory.total_bytes / MIB / GIB_MIB)
    if not with_limit(most).fits(run):
        return 0
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if with_limit(middle).fits(run) else (middle, high)
    return high


def _trade(case: Case, run: Run, wish: Wish | None) -> Iterator[Remedy]:
    """The nearest more important wish that could give way alone: its first value for which all fits."""
    order = case.wishes.order
    for other in reversed(order[: order.index(wish)] if wish else ()):
        values = other.values[other.values.index(other.of(run)) + 1 :]
        found = next((value for value in values if case.fits(other.on(run, value))), None)
        if found is not None:
            yield Remedy(what=other.name, value=_plain(found), words=f"{other.name} {found}")
            return


def _less_context(case: Case, run: Run, wish: Wish | None) -> Iterator[Remedy]:
    """A context below the least of the profile, if that is what the candidate has."""
    if run.context != case.wishes.least.context or (wish and wish.name == "context"):
        return
    step = context_step(run.context, run.parallel)
    smaller = range((run.context - 1) // step * step, 0, -step)
    found = next((tokens for tokens in smaller if case.fits(replace(run, context=tokens))), 0)
    if found >= CONTEXT_STEP:
        yield Remedy(what="context.least", value=found, words=f"context.least {found}")


def _variants(case: Case, run: Run) -> Iterator[Remedy]:
    for name, shape in case.variants.items():
        if replace(case, shape=shape, measured={}).fits(run):
            yield Remedy(what="variant", value=name, words=f"the {name} variant")


def _others(case: Case, run: Run) -> Iterator[Remedy]:
    if case.others != ALONE and replace(case, others=ALONE).fits(run):
        yield Remedy(what="services", value=0, words="no other service on this host")


def _plain(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)
