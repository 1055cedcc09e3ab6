"""The doctor's findings: groups and, in them, checks, the worst first. A box's texts are cleaned."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from strixkit.display.text import one_line
from strixkit.doctor.check import UNSURE, WORST_FIRST, Check, Confidence, Finding, Verdict
from strixkit.doctor.checks import CHECKS
from strixkit.doctor.diagnosis import check_named
from strixkit.fleet.doctor import Diagnosis

WIDTH = 118
SHOWN = 400  # characters of a text of the box
INDENT = " " * 7
SURE: dict[Confidence, str] = {
    "vendor": "documented by AMD or the kernel, and reported",
    "source code": "read in the source",
    "several reports": "reported by several people, independently",
    "one report": "reported once: this check warns at most",
    "unconfirmed": "confirmed by nobody: this check warns at most",
}


def lines(found: Sequence[Diagnosis]) -> list[str]:
    """All hosts, with an empty line between them."""
    blocks = ["\n".join(_host(diagnosis)) for diagnosis in found]
    return "\n\n".join(blocks).splitlines()


def _host(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.error:
        yield f"{diagnosis.host}  ERROR: {one_line(diagnosis.error)}"
        return
    groups = {finding.group for finding in diagnosis.findings}
    for group in sorted(groups, key=lambda name: _worst(_of(diagnosis, name))):
        yield f"{diagnosis.host}: {group}"
        for finding in sorted(_of(diagnosis, group), key=lambda item: _worst([item])):
            yield from _finding(finding)
    yield f"{diagnosis.host}: {_counts(diagnosis)}"
    if keys := sorted({key for finding in diagnosis.findings for key in finding.simulated}):
        yield f"{diagnosis.host}: SIMULATED facts (from /etc/strixkit/facts.d): {one_line(', '.join(keys))}"


def _of(diagnosis: Diagnosis, group: str) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.group == group]


def _worst(findings: Sequence[Finding]) -> tuple[int, int]:
    """The worst verdict, and of equal ones the highest rank."""
    return min((WORST_FIRST.index(finding.verdict), finding.rank) for finding in findings)


def _finding(finding: Finding) -> Iterator[str]:
    mark = " [SIMULATED]" if finding.simulated and finding.verdict is not Verdict.SKIP else ""
    if finding.verdict in (Verdict.PASS, Verdict.SKIP):
        yield f"  {finding.verdict} {finding.id}{mark}: {_short('; '.join(finding.seen))}"
        return
    sure = f" ({finding.confidence})" if finding.confidence in UNSURE else ""
    yield f"  {finding.verdict} {finding.id}{mark}: {finding.question}{sure}"
    yield from (f"{INDENT}seen:  {_short(text)}" for text in finding.seen)
    yield from (f"{INDENT}do:    {_short(text)}" for text in finding.do)
    yield f"{INDENT}mends: {finding.mended_by}"
    yield f"{INDENT}link:  {finding.link}"


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def _counts(diagnosis: Diagnosis) -> str:
    counts = Counter(finding.verdict for finding in diagnosis.findings)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in WORST_FIRST)


def document(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "hosts": [
            {
                "host": diagnosis.host,
                "error": diagnosis.error,
                "exit_code": diagnosis.exit_code,
                "findings": [finding.model_dump(mode="json") for finding in diagnosis.findings],
            }
            for diagnosis in found
        ]
    }


def explained(name: str) -> list[str]:
    """What the named check, or each (`all`), looks at, why, and how that is known. Raises InputError."""
    blocks = ["\n".join(_explained(rank, check)) for rank, check in _named(name)]
    return "\n\n".join(blocks).splitlines()


def explanations(name: str) -> dict[str, Any]:
    """The same as JSON values. Raises InputError."""
    return {
        "checks": [
            {
                "id": check.id,
                "rank": rank,
                "group": check.group,
                "question": check.question,
                "looks_at": check.looks_at,
                "why": check.why,
                "verdicts": [verdict for verdict in WORST_FIRST if verdict in check.verdicts],
                "mended_by": check.mended_by,
                "confidence": check.confidence,
                "links": list(check.links),
            }
            for rank, check in _named(name)
        ]
    }


def _named(name: str) -> list[tuple[int, Check]]:
    return list(enumerate(CHECKS, 1)) if name == "all" else [check_named(name)]


def _explained(rank: int, check: Check) -> Iterator[str]:
    yield f"{check.id}: {check.question}"
    yield f"  group {check.group}; number {rank} of {len(CHECKS)} by how often it is met and what it costs"
    yield from _paragraph("looks at", check.looks_at)
    yield from _paragraph("why", check.why)
    yield from _paragraph("verdicts", ", ".join(verdict for verdict in WORST_FIRST if verdict in check.verdicts))
    yield from _paragraph("mends", check.mended_by)
    yield from _paragraph("how sure", SURE[check.confidence])
    yield from (f"  source:   {link}" for link in check.links)


def _paragraph(title: str, text: str) -> list[str]:
    first = f"  {title + ':':<10}"
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)
