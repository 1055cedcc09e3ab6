"""Why a plan is as it is: a reason for each option, and for each wish not met what would have to change."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, JsonValue

from strixkit.errors import InputError
from strixkit.planner.candidates import Value, Wish
from strixkit.planner.case import Case
from strixkit.planner.draft import P_MIN
from strixkit.planner.kept import Kept
from strixkit.planner.options import Options
from strixkit.planner.profile import WishName
from strixkit.planner.proven import doubt_of
from strixkit.planner.remedies import Remedy, missing_words, remedies_of
from strixkit.planner.run import Run
from strixkit.planner.search import best

KEPT = "kept: the running release was planned with it"
PINNED = "pinned by the profile"
MET = "the profile's first wish fits, even with a full context"

PLURAL = ("server.parallel", "cache.checkpoints")

# The options of the command line that a wish decides.
OPTIONS: dict[WishName, tuple[str, ...]] = {
    "kv": ("kv.k", "kv.v"),
    "context": ("context.size",),
    "server.parallel": ("server.parallel",),
    "draft.max": ("draft.max",),
    "draft.kv": ("draft.k", "draft.v"),
    "batch.micro": ("batch.micro",),
    "batch.size": ("batch.size",),
    "cache.checkpoints": ("cache.checkpoints",),
    "cache.ram_mib": ("cache.ram_mib",),
}


class Reason(BaseModel):
    """One option of the command line and why it has this value."""

    model_config = ConfigDict(frozen=True)

    option: str
    value: JsonValue
    reason: str


class Unmet(BaseModel):
    """A wish that is not met: what is missing for its first value, in MiB, and what would have to change for it.

    candidate: the plan that it would take, in words. remedies: each alone is enough; the first costs least.
    """

    model_config = ConfigDict(frozen=True)

    wish: WishName
    wanted: int | str
    candidate: str
    device_mib: float
    system_mib: float
    missing: str
    remedies: tuple[Remedy, ...]

    @property
    def words(self) -> str:
        """In one sentence."""
        need = "need" if self.wish in PLURAL else "needs"
        changes = ", or ".join(remedy.words for remedy in self.remedies)
        return f"{self.candidate} {need} {self.missing}" + (f": {changes}" if changes else "")


class RunnerUp(BaseModel):
    """The best of those that differ in the most important wish that has another value left, and why it lost."""

    model_config = ConfigDict(frozen=True)

    choice: Kept
    reason: str


class NothingFits(InputError):
    """No candidate of a profile fits. `short` is the reason in a few words, for a table."""

    def __init__(
        self, message: str, *, short: str, budget_mib: float, remedies: tuple[Remedy, ...], host: str, hint: str
    ) -> None:
        super().__init__(message, host=host, hint=hint)
        self.short = short
        self.budget_mib = budget_mib
        self.remedies = remedies


@dataclass(frozen=True)
class Choice:
    """The chosen run. kept: it is that of the running release; `fresh` is what would be chosen now, if anything."""

    run: Run
    fresh: Run | None
    kept: bool


def nothing_fits(case: Case) -> NothingFits:
    """The smallest candidate, what is missing for it, and what would have to change."""
    run = case.wishes.least
    least, short = case.need(run), case.shortfall(run)
    missing, remedies = missing_words(case, short), remedies_of(case, run)
    name = f"context {run.context} with {run.kv} KV"
    change = ", or ".join(remedy.words for remedy in remedies)
    return NothingFits(
        f"no plan fits. The smallest is {name} and {run.checkpoints} checkpoints: "
        f"{least.device_mib:,.0f} MiB on the device and {least.host_mib:,.0f} MiB on the host; it needs {missing}. "
        f"Budget: {case.budget.usable_mib:,.0f} MiB = {case.budget.words}",
        short=f"{name} needs {missing}" + (f": {change}" if change else ""),
        budget_mib=case.budget.usable_mib,
        remedies=remedies,
        host=case.facts.hostname,
        hint=change or "free memory, or lower context.least, or add a smaller type to kv.types",
    )


def unmet_wishes(case: Case, run: Run) -> tuple[Unmet, ...]:
    """The wishes that a fresh choice does not meet, the most important first."""
    found = []
    less = case.wishes.least
    for wish in case.wishes.order:
        wanted = wish.values[0]
        if wish.of(run) != wanted:
            candidate = wish.on(less, wanted)
            short = case.shortfall(candidate)
            found.append(
                Unmet(
                    wish=wish.name,
                    wanted=wanted if isinstance(wanted, int) else str(wanted),
                    candidate=_candidate(wish, wanted, candidate),
                    device_mib=short.device_mib,
                    system_mib=short.host_mib,
                    missing=missing_words(case, short),
                    remedies=remedies_of(case, candidate, wish),
                )
            )
        less = wish.on(less, wish.of(run))
    return tuple(found)


def runner_up(case: Case, run: Run) -> RunnerUp | None:
    """The next candidate that differs in the most important wish that has another value; None if none fits."""
    before = case.wishes.least
    for position, wish in enumerate(case.wishes.order):
        for value in wish.values[wish.values.index(wish.of(run)) + 1 :]:
            second = best(case.wishes, case.fits, wish.on(before, value), position + 1)
            if second is not None:
                return RunnerUp(choice=Kept.of(second), reason=_why_second(case, run, second, wish))
        before = wish.on(before, wish.of(run))
    return None


def reasons_of(case: Case, choice: Choice, options: Options, unmet: tuple[Unmet, ...]) -> tuple[Reason, ...]:
    """A reason for each option, in their order."""
    decided = _decided(case, choice, unmet)
    words = {**_limits(case, options), **_drafting(case, choice.run, decided)}
    return tuple(
        Reason(option=option, value=value, reason=words.get(option, decided.get(option, PINNED)))
        for option, value in options.items()
    )


def warnings_of(case: Case, run: Run) -> tuple[str, ...]:
    """What is not proven on this backend, though the profile names nothing else."""
    doubts = {f"{run.kv} KV": doubt_of(run.family, run.hip, run.kv)}
    if run.drafts:
        doubts[f"{run.draft_kv} draft KV"] = doubt_of(run.family, run.hip, run.draft_kv)
    return tuple(f"the profile names nothing better than {what}, but {why}" for what, why in doubts.items() if why)


def kept_note(case: Case, choice: Choice) -> str:
    """How a kept choice differs from what would be chosen now; empty if it does not."""
    if choice.run == choice.fresh:
        return ""
    missing = missing_words(case, case.shortfall(choice.run))
    words = [f"the choice that is kept needs {missing}"] if missing else []
    words.append(f"a fresh plan would choose {Kept.of(choice.fresh).words}" if choice.fresh else "no other fits")
    return "; ".join(words)


def _candidate(wish: Wish, value: Value, run: Run) -> str:
    """What is wished, with what of the plan it would have to fit."""
    names: dict[WishName, str] = {
        "kv": f"{value} KV at context {run.context}",
        "context": f"context {value} with {run.kv} KV",
        "server.parallel": f"{value} slots",
        "draft.max": f"a draft of {value} tokens",
        "draft.kv": f"{value} draft KV",
        "batch.micro": f"a micro batch of {value} tokens",
        "batch.size": f"a batch of {value} tokens",
        "cache.checkpoints": f"{value} checkpoints with a full context",
        "cache.ram_mib": f"a prompt cache of {value} MiB",
    }
    words = names[wish.name]
    if wish.name == "cache.ram_mib" and run.family == "rocmfp4":
        words += " (this runtime always keeps one whole conversation and its checkpoints)"
    return words


def _decided(case: Case, choice: Choice, unmet: tuple[Unmet, ...]) -> dict[str, str]:
    """Why a choice fits can only be told of one that would be chosen now."""
    fresh = choice.run == choice.fresh
    refused = {item.wish: item.words for item in unmet}
    found = {}
    for wish in case.wishes.order:
        words = PINNED if wish.pinned else refused.get(wish.name, MET)
        words = _context(case, words) if wish.name == "context" else words
        words = "; ".join([words, *wish.doubts])
        if choice.kept and not wish.pinned:
            words = f"{KEPT}; {words}" if fresh else KEPT
        found.update(dict.fromkeys(OPTIONS[wish.name], words))
    return found


def _context(case: Case, words: str) -> str:
    """The model's training is a limit too."""
    want, length = case.profile.context.want, case.shape.context_length
    possible = case.wishes.wish("context").values[0]
    if not isinstance(possible, int) or possible >= want:
        return words
    limit = f"{want} wanted, but the model was trained for {length} tokens"
    return limit if words in (PINNED, MET) else f"{limit}; {words}"


def _limits(case: Case, options: Options) -> dict[str, str]:
    """What the host or the model does not have."""
    profile, cores = case.profile, case.facts.cores
    threads = {"threads.generate": profile.threads.generate, "threads.batch": profile.threads.batch}
    words = {
        option: f"{wanted} wanted, but the host has {cores} cores"
        for option, wanted in threads.items()
        if wanted > cores
    }
    if options["draft.type"] != profile.draft.type:
        words["draft.type"] = f"{profile.draft.type} wanted, but this model has no MTP head"
    return words


def _drafting(case: Case, run: Run, decided: dict[str, str]) -> dict[str, str]:
    if not run.drafts:
        return {}
    profile, model = case.profile, case.drafting
    depth, ideal = run.draft_max, model.depth
    words = f"{model.speedup(depth):.1f} times the tokens per second without drafts"
    if depth != ideal:
        words += f" ({ideal}: {model.speedup(ideal):.1f})"
    origin = "measured on this host" if model.measured else "by the model of drafting"
    chosen = decided["draft.max"]
    if profile.draft.max == "auto" and depth == ideal and chosen in (PINNED, MET):
        chosen = "the shallowest that is as fast as any, as far as can be told"
    found = {"draft.max": f"{chosen}; {origin} {words}; {model.sure}", "draft.device": "the device of the model"}
    if profile.draft.p_min == "auto":
        found["draft.p_min"] = f"{P_MIN} decodes fastest: 0.05 and 0.10 are the same, 0.25 is 7 % slower"
    return found


def _why_second(case: Case, run: Run, second: Run, wish: Wish) -> str:
    better = [
        other
        for other in case.wishes.order
        if other is not wish and other.values.index(other.of(second)) < other.values.index(other.of(run))
    ]
    words = f"{wish.name} {wish.of(second)} is wished for after {wish.of(run)}"
    if not better:
        return f"{words}, and nothing else would be better"
    gains = ", ".join(f"{other.name} {other.of(second)} instead of {other.of(run)}" for other in better)
    return f"{words}, and {wish.name} decides first; it would have {gains}"
