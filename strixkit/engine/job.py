"""What every job on a box has: its request, its events, and the error when another one is at work there."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from strixkit.engine.events import Emit, Event
from strixkit.engine.plan import Plan, questions
from strixkit.engine.values import Job
from strixkit.errors import LockedError
from strixkit.resources.base import Change


def new_id() -> str:
    """A name for one job."""
    return secrets.token_hex(6)


def plan_request(plan: Plan, job: Job) -> dict[str, Any]:
    """The job that makes a plan true, if the box is still as the plan has found it."""
    return {
        "job": new_id(),
        "who": job.who,
        "what": job.what,
        "hold_at": job.hold_at,
        "questions": questions(plan.resources),
        "answers": list(plan.answers),
        "steps": plan.steps(),
        "changes": recorded(plan.todo),
        "releases": [change.wanted for change in plan.todo if change.field == "release"],
    }


def recorded(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Changes as the journal has them: without whole texts."""
    return [change.model_dump(mode="json", exclude={"found", "wanted"} if change.text else set()) for change in changes]


def locked(host: str, job: dict[str, Any]) -> LockedError:
    """The error that says who holds the lock."""
    return LockedError(
        f"locked by {job.get('owner', 'unknown')} since {job.get('since', '?')} for {job.get('what', '?')}"
        f" (until {job.get('expires', '?')} at the latest)",
        host=host,
        hint="wait for it; or look at it on the box: journalctl -fu 'strixkit-job-*'",
    )


def relay(host: str, emit: Emit) -> Any:
    """A listener that turns the agent's events into the engine's."""

    def on_event(message: dict[str, Any]) -> None:
        kind = str(message.get("event", ""))
        if kind in ("step", "progress", "reached", "held", "note"):
            text = str(message.get("text") or message.get("step") or message.get("point") or "")
            emit(Event(host, kind, text, str(message.get("resource", ""))))

    return on_event
