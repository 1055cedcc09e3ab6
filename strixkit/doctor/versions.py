"""What roles/kernel/compatibility.yaml knows of versions, as points of a check."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from strixkit.doctor.check import Point, bad, doubt, good
from strixkit.host.compatibility import Component, Verdict, verdicts
from strixkit.planner.facts import Facts

TODO = "another version of it"


def known(facts: Facts, names: Collection[str], seen: Mapping[Component, str] | None = None) -> list[Verdict]:
    """What is known of these components, by the names of packages (or `Linux`, `mes`), the worst first."""
    return [verdict for verdict in verdicts(facts, seen) if verdict.component in names]


def point(verdict: Verdict) -> Point:
    """FAIL for a bad version, WARN for a doubtful one."""
    words = f"{verdict.component} {verdict.version}: {verdict.what}"
    if verdict.verdict == "ok":
        return good(words)
    return (bad if verdict.verdict == "bad" else doubt)(words, verdict.todo or TODO)
