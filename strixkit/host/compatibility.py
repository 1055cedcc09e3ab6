"""Pure: versions as numbers; known good and known bad ones of kernel, firmware and drivers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from strixkit.planner.facts import Facts


def numbers(version: str) -> tuple[int, ...]:
    """The numbers in a version, for comparing: 6.17.0-19-generic is (6, 17, 0, 19)."""
    return tuple(int(found) for found in re.findall(r"\d+", version))


@dataclass(frozen=True)
class Verdict:
    """What is known of one installed component. `todo`: what to do, in words; `evidence`: a link."""

    component: str
    version: str
    verdict: Literal["ok", "warn", "bad"]
    what: str
    todo: str
    evidence: str

    @property
    def words(self) -> str:
        """In one line."""
        return f"{self.component} {self.version}: {self.what}; {self.todo} ({self.evidence})"


def verdicts(facts: Facts) -> list[Verdict]:
    """What is known of the versions that a host has, worst first."""
    return []
