"""A check: a question about a box, and what is said of it. Its code yields points; the worst of them is its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from strixkit.config.host import Host
from strixkit.config.runtimes import Runtime
from strixkit.doctor.evidence import NONSENSE, Evidence
from strixkit.doctor.wishes import Wishes
from strixkit.planner.facts import Facts

Group = Literal["memory", "kernel", "firmware", "rocm", "vulkan", "service", "tuning", "access"]
# How sure it is that the failure exists. Of what only one person reported, or nobody confirmed, a check may only warn.
Confidence = Literal["vendor", "source code", "several reports", "one report", "unconfirmed"]
UNSURE: tuple[Confidence, ...] = ("one report", "unconfirmed")


class Verdict(StrEnum):
    """From the worst to the best. SKIP: not looked at, or not all of it, and nothing bad was seen in the rest."""

    FAIL = "FAIL"
    WARN = "WARN"
    SKIP = "SKIP"
    PASS = "PASS"


WORST_FIRST = tuple(Verdict)
EXIT_CODES = {Verdict.FAIL: 2, Verdict.WARN: 1, Verdict.SKIP: 0, Verdict.PASS: 0}


@dataclass(frozen=True)
class Point:
    """One thing that a check saw. do: what a person does about it."""

    verdict: Verdict
    seen: str
    do: str = ""


def good(seen: str) -> Point:
    """As it should be."""
    return Point(Verdict.PASS, seen)


def bad(seen: str, do: str) -> Point:
    """A known failure."""
    return Point(Verdict.FAIL, seen, do)


def doubt(seen: str, do: str) -> Point:
    """Slower, riskier or less sure than it need be."""
    return Point(Verdict.WARN, seen, do)


def skip(why: str) -> Point:
    """Not looked at, or of no concern here."""
    return Point(Verdict.SKIP, why)


@dataclass(frozen=True)
class Examined:
    """A box: what the inventory wants of it, and what it answered.

    asked_password: becoming root took a password.
    """

    host: Host
    runtime: Runtime
    facts: Facts
    evidence: Evidence
    wishes: Wishes
    asked_password: bool = False


@dataclass(frozen=True)
class Check:
    """One ranked failure of the field.

    looks_at, why: for `--explain`. links: the evidence, the best first. mended_by: a role or a variable of the
    inventory. reads: dotted facts, or beginnings of them, that it judges. verdicts: all that it can give.
    """

    id: str
    group: Group
    question: str
    looks_at: str
    why: str
    links: tuple[str, ...]
    mended_by: str
    confidence: Confidence
    reads: tuple[str, ...]
    verdicts: frozenset[Verdict]
    look: Callable[[Examined], Iterator[Point]]


class Finding(BaseModel):
    """What a check found on one box. rank: its place among the field's failures, 1 the worst."""

    model_config = ConfigDict(frozen=True)

    id: str
    rank: int
    group: Group
    question: str
    verdict: Verdict
    seen: tuple[str, ...]
    do: tuple[str, ...]
    mended_by: str
    link: str
    confidence: Confidence
    simulated: tuple[str, ...]


def find(check: Check, rank: int, examined: Examined) -> Finding:
    """Run one check. Never raises: a box's answer that its code does not understand skips this check alone."""
    try:
        points = tuple(check.look(examined)) or (skip("there is nothing to look at"),)
    except Exception as error:
        points = (skip(f"{NONSENSE} ({type(error).__name__})"),)
    ordered = sorted(points, key=lambda point: WORST_FIRST.index(point.verdict))
    verdict = ordered[0].verdict
    told = [point for point in ordered if verdict is Verdict.PASS or point.verdict is not Verdict.PASS]
    return Finding(
        id=check.id,
        rank=rank,
        group=check.group,
        question=check.question,
        verdict=verdict,
        seen=tuple(_words(point, verdict) for point in told),
        do=tuple(dict.fromkeys(point.do for point in told if point.do)),
        mended_by=check.mended_by,
        link=check.links[0],
        confidence=check.confidence,
        simulated=simulated(check, examined.facts),
    )


def _words(point: Point, verdict: Verdict) -> str:
    unknown = point.verdict is Verdict.SKIP and verdict is not Verdict.SKIP
    return f"not looked at: {point.seen}" if unknown else point.seen


def simulated(check: Check, facts: Facts) -> tuple[str, ...]:
    """The facts that the check judges and that are not the machine's own."""
    return tuple(
        key
        for key in facts.simulated
        if any(f"{key}.".startswith(f"{read}.") or f"{read}.".startswith(f"{key}.") for read in check.reads)
    )
