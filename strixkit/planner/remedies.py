"""What would have to change for a wish to be met: each remedy is tried before it is offered.

That the candidate would fit is not enough: a more important wish could take what becomes free. Then that one has to be
pinned as well.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from strixkit.planner.budget import ALONE, Need
from strixkit.planner.candidates import Wish, Wishes, context_step, wishes_of
from strixkit.planner.case import Case
from strixkit.planner.facts import Facts, Gpu
from strixkit.planner.parts import MIB
from strixkit.planner.profile import WishName
from strixkit.planner.run import CONTEXT_STEP, Run
from strixkit.planner.search import Fits, best

GIB_MIB = 1024
# The limit of the GPU's share of system memory; amd-ttm asks before it sets more.
GTT_SHARE = 0.9
# What a BIOS still sets aside at its least: 512 MiB on a Framework Desktop.
LEAST_CARVE_OUT = 512 * MIB


class Remedy(BaseModel):
    """One thing to change, alone enough.

    what: an option of a profile or of the inventory, or "variant", "carve-out", "services".
    pin: more important wishes that must be pinned to what the plan has, or they would take what becomes free.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    value: int | str
    words: str
    pin: dict[WishName, int | str] = {}


def remedies_of(case: Case, run: Run, wish: Wish | None = None) -> tuple[Remedy, ...]:
    """With what a plan would be made that meets a wish as the candidate does, the least costly first.

    wish: None if there is no plan at all: then any is enough.
    """
    return (
        *_limit(case, run, wish),
        *_trade(case, run, wish),
        *_less_context(case, run, wish),
        *_variants(case, run, wish),
        *_others(case, run, wish),
    )


def _enough(wishes: Wishes, fits: Fits, run: Run, wish: Wish | None) -> bool:
    """Whether the plan would be one that meets the wish as the candidate does."""
    found = best(wishes, fits)
    return found is not None and (wish is None or wish.of(found) == wish.of(run))


def missing_words(case: Case, short: Need) -> str:
    """What is missing, in MiB."""
    words = []
    if short.device_mib and case.budget.ceiling != "system":
        words.append(f"{short.device_mib:,.0f} MiB more on the device")
    if short.host_mib:
        words.append(f"{short.host_mib:,.0f} MiB more of system memory")
    return " and ".join(words)


def _ways(case: Case, run: Run, wish: Wish | None) -> Iterator[tuple[Wishes, dict[WishName, int | str]]]:
    """The wishes as they are; then with the more important ones that are not met pinned to what the candidate has."""
    yield case.wishes, {}
    order = case.wishes.order
    before = [other for other in order[: order.index(wish)] if other.of(run) != other.values[0]] if wish else []
    if before:
        wishes = case.wishes
        for other in before:
            wishes = wishes.pinned(other, other.of(run))
        yield wishes, {other.name: _plain(other.of(run)) for other in before}


def _and_pin(pin: dict[WishName, int | str]) -> str:
    words = " and ".join(f"{name} {value}" for name, value in pin.items())
    return f" and pin {words}" if words else ""


def _limit(case: Case, run: Run, wish: Wish | None) -> Iterator[Remedy]:
    """A higher limit of GTT; no limit helps where system memory itself is short."""
    gpu, short = case.facts.gpu, case.shortfall(run)
    if gpu is None or not short.device_mib:
        return
    if case.budget.ceiling == "carve-out":
        what, facts = "carve-out", _with_small_carve_out(case.facts, gpu)
        raised = f"set the BIOS carve-out from {_gib(gpu.vram_total_bytes)} GiB to its least, strix_gtt_gib to"
    else:
        what, facts = "strix_gtt_gib", case.facts
        raised = f"raise strix_gtt_gib from {_gib(gpu.gtt_total_bytes)} to"
    # A higher limit is there for all services, and one that is planned before this one would take it.
    as_it_is = "" if case.others == ALONE else ", and pin what the other services have"
    for wishes, pin in _ways(case, run, wish):
        better = replace(case, facts=facts, wishes=wishes)
        gib, words = 0, ""
        if what == "strix_gtt_gib" and (gib := _wished_gtt(better, run, wish)):
            words = f"deploy --reboot, which brings strix_gtt_gib from {_gib(gpu.gtt_total_bytes)} to {gib}"
        elif gib := _least_gtt(better, run, wish):
            words = f"{raised} {gib}"
        if gib:
            yield Remedy(what=what, value=gib, words=f"{words}{_and_pin(pin)}{as_it_is}", pin=pin)
            return


def _gib(size: int) -> str:
    return f"{size / MIB / GIB_MIB:.1f}".removesuffix(".0")


def _with_small_carve_out(facts: Facts, gpu: Gpu) -> Facts:
    freed = gpu.vram_total_bytes - LEAST_CARVE_OUT
    memory = {"total_bytes": facts.memory.total_bytes + freed, "available_bytes": facts.memory.available_bytes + freed}
    small = gpu.model_copy(update={"vram_total_bytes": LEAST_CARVE_OUT})
    return facts.model_copy(update={"memory": facts.memory.model_copy(update=memory), "gpu": small})


def _wished_gtt(case: Case, run: Run, wish: Wish | None) -> int:
    """The limit that a reboot alone brings, if it is enough; else 0."""
    gib, gpu = case.gtt_gib, case.facts.gpu
    if gib is None or gpu is None or gib * GIB_MIB * MIB <= gpu.gtt_total_bytes:
        return 0
    fits = _fits_with(case, gib, case.need)
    return gib if fits(run) and _enough(case.wishes, fits, run, wish) else 0


def _least_gtt(case: Case, run: Run, wish: Wish | None) -> int:
    """The least limit in whole GiB that is enough; 0 if none is."""
    need = functools.cache(case.need)  # what is needed is the same for each limit
    most = math.floor(GTT_SHARE * case.facts.memory.total_bytes / MIB / GIB_MIB)
    for gib in range(1, most + 1):  # no bisection: what one limit leaves to a wish, a higher one may give to another
        fits = _fits_with(case, gib, need)
        if fits(run) and _enough(case.wishes, fits, run, wish):
            return gib
    return 0


def _fits_with(case: Case, gib: int, need: Callable[[Run], Need]) -> Fits:
    """Whether a candidate fits with another limit of GTT."""
    assert case.facts.gpu is not None
    gpu = case.facts.gpu.model_copy(update={"gtt_total_bytes": gib * GIB_MIB * MIB})
    budget = replace(case, facts=case.facts.model_copy(update={"gpu": gpu})).budget
    return lambda candidate: budget.fits(need(candidate))


def _trade(case: Case, run: Run, wish: Wish | None) -> Iterator[Remedy]:
    """The nearest more important wish that could give way alone: its first value that is enough."""
    order = case.wishes.order
    for other in reversed(order[: order.index(wish)] if wish else ()):
        values = other.values[other.values.index(other.of(run)) + 1 :]
        found = next((v for v in values if _enough(case.wishes.pinned(other, v), case.fits, run, wish)), None)
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
        context = case.profile.context.model_copy(update={"least": found})
        profile = case.profile.model_copy(update={"context": context})
        wishes = wishes_of(profile, case.shape, run.family, case.drafting)
        if _enough(wishes, case.fits, run, wish):
            yield Remedy(what="context.least", value=found, words=f"context.least {found}")


def _variants(case: Case, run: Run, wish: Wish | None) -> Iterator[Remedy]:
    for name, shape in case.variants.items():
        if _enough(case.wishes, replace(case, shape=shape, measured={}).fits, run, wish):
            yield Remedy(what="variant", value=name, words=f"the {name} variant")


def _others(case: Case, run: Run, wish: Wish | None) -> Iterator[Remedy]:
    if case.others == ALONE:
        return
    alone = replace(case, others=ALONE)
    for wishes, pin in _ways(case, run, wish):
        if _enough(wishes, alone.fits, run, wish):
            yield Remedy(what="services", value=0, words=f"no other service on this host{_and_pin(pin)}", pin=pin)
            return


def _plain(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)
