"""What runs now against what the plan wants, for people and for JSON."""

from __future__ import annotations

from typing import Any

from strixkit.display.text import one_line
from strixkit.engine.values import Outcome
from strixkit.host.context import ServiceState
from strixkit.resources.base import Change


def running_now(outcome: Outcome, state: ServiceState) -> dict[str, Any]:
    """The current release of a service (empty if there is none), whether it runs, and what of it would change."""
    changes = _changes(outcome, state) if state.held.release else []
    return {
        "release": state.held.release,
        "active": state.held.running,
        "choice": state.held.choice,
        "differences": [{"field": c.field, "found": c.found, "wanted": c.wanted} for c in changes],
    }


def line(outcome: Outcome, state: ServiceState) -> str:
    """The same in one line."""
    release, changes = state.held.release, _changes(outcome, state)
    if not release:
        return "runs now: no release of this service is known there"
    what = f"{'runs now' if state.held.running else 'current, but does not run'}: release {one_line(release)}"
    if not changes:
        return f"{what}; this plan differs in nothing"
    shown = [f"{c.field} {c.found} -> {c.wanted}" for c in changes if not c.text]
    return f"{what}; this plan differs in {one_line(', '.join(shown) or 'its unit')}"


def _changes(outcome: Outcome, state: ServiceState) -> list[Change]:
    return [change for change in outcome.changes if change.resource == f"release:{state.name}"]
