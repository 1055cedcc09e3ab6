"""Why a plan is as it is, in words: what was chosen, and for each wish not met what would have to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, JsonValue

from strixkit.errors import InputError
from strixkit.planner.budget import Budget, Need
from strixkit.planner.candidates import Wishes
from strixkit.planner.kept import Kept
from strixkit.planner.profile import Profile
from strixkit.planner.run import DEFAULT_CACHE_RAM_MIB, Run
from strixkit.planner.shape import ModelShape

KEPT = "kept: the running release was planned with it"


class Reason(BaseModel):
    """One chosen option and why it has this value."""

    model_config = ConfigDict(frozen=True)

    option: str
    value: JsonValue
    reason: str


class NothingFits(InputError):
    """No candidate of a profile fits. `short` is the reason in a few words, for a table."""

    def __init__(self, message: str, *, short: str, budget_mib: float, host: str, hint: str) -> None:
        super().__init__(message, host=host, hint=hint)
        self.short = short
        self.budget_mib = budget_mib


@dataclass(frozen=True)
class Choice:
    """The chosen run, what it was chosen from, and how candidates are measured.

    kept: `run` is that of the running release, and `fresh` is what would be chosen now, if anything fits.
    """

    run: Run
    fresh: Run | None
    kept: bool
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
    return (*_decided(choice, profile, shape), *_threads(profile, cores), *_draft(choice, profile))


def _decided(choice: Choice, profile: Profile, shape: ModelShape) -> list[Reason]:
    """Why a choice fits can only be told of one that would be chosen now."""
    if choice.run != choice.fresh:
        run = choice.run
        values = {"kv.k": run.kv.k, "kv.v": run.kv.v, "context.size": run.context, "cache.checkpoints": run.checkpoints}
        return [Reason(option=o, value=v, reason=KEPT) for o, v in {**values, "cache.ram_mib": run.cache_mib}.items()]
    found = [*_kv(choice), _context(choice, profile, shape), _checkpoints(choice), _cache(choice)]
    if not choice.kept:
        return found
    return [reason.model_copy(update={"reason": f"{KEPT}; {reason.reason}"}) for reason in found]


def kept_note(choice: Choice) -> str:
    """How a kept choice differs from what would be chosen now; empty if it does not."""
    if choice.run == choice.fresh:
        return ""
    missing = shortfall_words(choice.budget, choice.need(choice.run))
    words = [f"the choice that is kept needs {missing}"] if missing else []
    words.append(f"a fresh plan would choose {Kept.of(choice.fresh).words}" if choice.fresh else "no other fits")
    return "; ".join(words)


def _kv(choice: Choice) -> list[Reason]:
    chosen, wanted = choice.run.kv, choice.wishes.kv[0]
    reason = "the first wish of the profile fits"
    if chosen != wanted:
        context = choice.wishes.contexts[-1] if choice.wishes.order[0] == "kv" else choice.run.context
        reason = f"{wanted} at {context} needs {choice.missing(kv=wanted, context=context)}"
    sides = {"kv.k": chosen.k, "kv.v": chosen.v}
    return [Reason(option=option, value=value, reason=reason) for option, value in sides.items()]


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
