"""Why a plan is as it is, in words: what was chosen, and for each wish not met what would have to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, JsonValue

from strixkit.planner.budget import Budget, Need
from strixkit.planner.candidates import Wishes
from strixkit.planner.profile import Profile
from strixkit.planner.run import DEFAULT_CACHE_RAM_MIB, Run
from strixkit.planner.shape import ModelShape


class Reason(BaseModel):
    """One chosen option and why it has this value."""

    model_config = ConfigDict(frozen=True)

    option: str
    value: JsonValue
    reason: str


@dataclass(frozen=True)
class Choice:
    """The chosen run, what it was chosen from, and how candidates are measured."""

    run: Run
    wishes: Wishes
    budget: Budget
    need: Callable[[Run], Need]

    def missing(self, **wish: object) -> str:
        """What is missing for the chosen run with one wish met and all later wishes at their least."""
        run = replace(self.run, **{**self.wishes.least(), **wish})  # type: ignore[arg-type]
        return shortfall_words(self.budget, self.need(run))


def shortfall_words(budget: Budget, need: Need) -> str:
    """What is missing, in MiB, and where more could come from."""
    short = budget.shortfall(need)
    words = []
    if short.device_mib and budget.ceiling != "system":
        source = "a higher GTT limit (ttm.pages_limit)" if budget.ceiling == "gtt" else "a small carve-out and GTT"
        words.append(f"{short.device_mib:,.0f} MiB more on the device ({source})")
    if short.host_mib:
        words.append(f"{short.host_mib:,.0f} MiB more of system memory")
    return " and ".join(words)


def reasons_of(choice: Choice, profile: Profile, shape: ModelShape, cores: int) -> tuple[Reason, ...]:
    """A reason for each option that the plan decides."""
    return (
        _kv(choice),
        _context(choice, profile, shape),
        _checkpoints(choice),
        _cache(choice),
        *_threads(profile, cores),
        *_draft(choice, profile),
    )


def _kv(choice: Choice) -> Reason:
    chosen, wanted = choice.run.kv, choice.wishes.kv[0]
    if chosen == wanted:
        return Reason(option="kv.k", value=chosen, reason="the first wish of the profile fits; the same for kv.v")
    context = choice.wishes.contexts[-1] if choice.wishes.order[0] == "kv" else choice.run.context
    missing = choice.missing(kv=wanted, context=context)
    return Reason(option="kv.k", value=chosen, reason=f"{wanted} at {context} needs {missing}; the same for kv.v")


def _context(choice: Choice, profile: Profile, shape: ModelShape) -> Reason:
    chosen, possible = choice.run.context, choice.wishes.contexts[0]
    if chosen < possible:
        reason = f"{possible} with {choice.run.kv} KV needs {choice.missing(context=possible)}"
    elif possible < profile.context.want:
        reason = f"{profile.context.want} wanted, but the model was trained for {shape.context_length} tokens"
    else:
        reason = "the profile's wish fits, even full"
    return Reason(option="context.size", value=chosen, reason=reason)


def _checkpoints(choice: Choice) -> Reason:
    chosen, wanted = choice.run.checkpoints, choice.wishes.checkpoints[0]
    reason = "the profile's wish fits, even with a full context"
    if chosen < wanted:
        reason = f"{wanted} with a full context need {choice.missing(checkpoints=wanted)}"
    return Reason(option="cache.checkpoints", value=chosen, reason=reason)


def _cache(choice: Choice) -> Reason:
    chosen, wanted = choice.run.cache_ram_mib, choice.wishes.cache_ram_mib[0]
    if chosen == wanted:
        reason = "the server's default fits" if wanted is None else "pinned by the profile"
        return Reason(option="cache.ram_mib", value=choice.run.cache_mib, reason=reason)
    kept = {"checkpoints": choice.run.checkpoints, "cache_ram_mib": None}
    reason = f"the default of {DEFAULT_CACHE_RAM_MIB} needs {choice.missing(**kept)}"
    if choice.run.family == "rocmfp4":
        reason += "; this runtime always keeps one whole conversation and its checkpoints"
    fewer = [count for count in choice.wishes.checkpoints if count < choice.run.checkpoints]
    for count in fewer:
        if not choice.missing(checkpoints=count, cache_ram_mib=None):
            reason += f"; cache.checkpoints {count} would leave room for it"
            break
    return Reason(option="cache.ram_mib", value=chosen, reason=reason)


def _threads(profile: Profile, cores: int) -> list[Reason]:
    wanted = {"threads.generate": profile.threads.generate, "threads.batch": profile.threads.batch}
    return [
        Reason(option=option, value=cores, reason=f"{threads} wanted, but the host has {cores} cores")
        for option, threads in wanted.items()
        if threads > cores
    ]


def _draft(choice: Choice, profile: Profile) -> list[Reason]:
    if choice.run.drafts or profile.draft.type == "none":
        return []
    reason = f"{profile.draft.type} wanted, but this model has no MTP head"
    return [Reason(option="draft.type", value="none", reason=reason)]
