"""The end of a run: what changed, what failed and why, in words or as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from strixkit.display.running import running_now
from strixkit.display.text import change_line, clean, diff_lines, one_line
from strixkit.engine.reboot import names
from strixkit.engine.values import Outcome
from strixkit.fleet.run import Report
from strixkit.resources.base import Risk
from strixkit.resources.release import Release
from strixkit.runtime.log import cause

LOG_LINES = 12


def _cause(outcome: Outcome) -> str:
    found = cause("\n".join([*outcome.log, outcome.error]))
    return f"{found.words} ({found.kind}); {found.hint}" if found else ""


def summary(reports: Sequence[Report], *, applied: bool) -> list[str]:
    """The lines that a person reads last."""
    lines: list[str] = []
    for report in reports:
        outcome = report.outcome
        lines += [f"{outcome.host}  note: {clean(note)}" for note in outcome.notes]
        lines += _applied(outcome) if applied else _planned(outcome)
    return lines


def reboots(reports: Sequence[Report]) -> list[str]:
    """What only a reboot makes so, as the very last lines. Of a host that one has lost, the error says it."""
    return [
        f"{outcome.host}  reboot needed for: {one_line(names(outcome.pending))}"
        f" (invoke deploy --host {outcome.host} --reboot)"
        for outcome in (report.outcome for report in reports)
        if outcome.pending and not outcome.lost
    ]


def _applied(outcome: Outcome) -> list[str]:
    if outcome.ok and not outcome.changes:
        return [f"{outcome.host}  unchanged ({outcome.round_trips} round trips)"]
    if outcome.ok:
        return [f"{outcome.host}  done: {_count(outcome)}, all seen to be so afterwards"]
    lines = [f"{outcome.host}  FAILED: {clean(outcome.error) or 'some wishes are not true after the run'}"]
    news = [change for change in outcome.remaining if change not in outcome.changes]
    lines += [f"{outcome.host}    still: {change_line(change)}" for change in news]
    if outcome.log:
        lines.append(f"{outcome.host}    last lines:")
        lines += [f"{outcome.host}      | {clean(line)}" for line in outcome.log[-LOG_LINES:]]
    if words := _cause(outcome):
        lines.append(f"{outcome.host}    cause: {clean(words)}")
    return lines


def _count(outcome: Outcome) -> str:
    return f"{len(outcome.changes)} change{'' if len(outcome.changes) == 1 else 's'}"


def _planned(outcome: Outcome) -> list[str]:
    if outcome.error:
        return [f"{outcome.host}  ERROR: {clean(outcome.error)}"]
    if not outcome.changes and not outcome.pending:
        return [f"{outcome.host}  nothing to change"]
    lines = []
    for change in (*outcome.changes, *outcome.pending):
        reason = f"  ({clean(change.reason)})" if change.reason else ""
        lines.append(f"{outcome.host}  ~ {change_line(change)}{reason}")
        if change.text and change.found:
            lines += [f"{outcome.host}      {line}" for line in diff_lines(change)]
    if not outcome.changes:
        return [*lines, f"{outcome.host}  no change but for a reboot"]
    risky = [change for change in outcome.changes if change.risk is Risk.RESTART]
    restart = ", restarts a service" if risky else ""
    return [*lines, f"{outcome.host}  {_count(outcome)}{restart}"]


def document(reports: Sequence[Report]) -> str:
    """All of it as one JSON document."""
    return dump({"hosts": [_host(report) for report in reports]})


def failure(error: Exception) -> str:
    """The document of a run that ended before it came to any host."""
    return dump({"error": str(error), "hosts": []})


def dump(value: Any) -> str:
    """JSON in ASCII: what a box sends can neither steer a terminal nor be something that no encoding knows."""
    return json.dumps(value, indent=2, ensure_ascii=True)


def _host(report: Report) -> dict[str, Any]:
    outcome = report.outcome
    services = outcome.shown.get("services", ())
    units = {item.service: item.unit for item in outcome.shown.get("resources", ()) if isinstance(item, Release)}
    return {
        "host": outcome.host,
        "ok": report.exit_code == 0,
        "error": outcome.error,
        "changes": [change.model_dump(mode="json") for change in outcome.changes],
        "remaining": [change.model_dump(mode="json") for change in outcome.remaining],
        "pending": [change.model_dump(mode="json") for change in outcome.pending],
        "cause": _cause(outcome) if outcome.error else "",
        "log": outcome.log,
        "notes": [*outcome.notes, *outcome.said],
        "round_trips": outcome.round_trips,
        "services": {
            state.name: {
                "profile": state.profile_name,
                "model": state.file.name,
                "variant": state.file.variant,
                **state.plan.model_dump(mode="json"),
                "running": running_now(outcome, state),
                "unit": units.get(state.name, ""),
            }
            for state in services
            if state.plan
        },
    }
