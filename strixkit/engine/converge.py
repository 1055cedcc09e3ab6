"""One host, from facts to a verified state: facts, wishes, observe, plan, apply, observe again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strixkit.engine.events import Emit, Event
from strixkit.engine.plan import Plan, compare, order, questions
from strixkit.errors import LockedError, RemoteError, StrixError
from strixkit.resources.base import Change, Resource, Upload

MAX_STAGES = 4
MAX_STALE = 3  # attempts with a box that changes between a look and the job


class Conversation(Protocol):
    """What the engine needs of a session with the agent; see strixkit.remote.session."""

    host: str
    round_trips: int

    def request(self, do: str, on_event: Any = None, **fields: Any) -> Any:
        """Ask the agent for one thing."""

    def upload(self, path: Path, upload: Upload, on_bytes: Any) -> None:
        """Send a file."""


@dataclass(frozen=True)
class Desired:
    """The wishes for one host. Not complete: some can only be known when these are true (a runtime's flags)."""

    resources: tuple[Resource, ...]
    complete: bool = True
    notes: tuple[str, ...] = ()
    shown: dict[str, Any] = field(default_factory=dict)


class Describe(Protocol):
    """From facts to wishes. Pure, apart from reading the controller's own files."""

    def facts_request(self) -> dict[str, Any]:
        """What to ask beside the facts."""

    def desired(self, answer: dict[str, Any]) -> Desired:
        """The wishes for a host of which this was answered. Raises InputError: nothing was touched."""


@dataclass(frozen=True)
class Job:
    """Who applies what; `hold_at` names a point where the job waits (for tests); `reboot`: the box may be rebooted."""

    who: str
    what: str
    hold_at: str = ""
    reboot: bool = False


@dataclass
class Outcome:
    """What happened to one host.

    said: what the box's job noted, which its events have shown already.
    pending: what only a reboot makes so (Risk.REBOOT); no failure.
    """

    host: str
    changes: list[Change] = field(default_factory=list)
    remaining: list[Change] = field(default_factory=list)
    pending: list[Change] = field(default_factory=list)
    error: str = ""
    log: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)
    round_trips: int = 0
    applied: bool = False

    @property
    def ok(self) -> bool:
        """Nothing is left to do and nothing went wrong."""
        return not self.error and (not self.applied or not self.remaining)


def look(session: Conversation, describe: Describe, emit: Emit, *, only: bool) -> tuple[Desired, Plan]:
    """Facts and states: two round trips.

    only: for who changes nothing, a run that goes on is worth a note. Otherwise this attaches to one that an earlier,
    lost controller left behind, and raises LockedError for one that is watched.
    """
    while True:
        answer = session.request("facts", **describe.facts_request())
        job = answer.get("job")
        if not job:
            break
        if only:
            text = f"{job.get('owner')} is at work there since {job.get('since')} ({job.get('what')}); this will change"
            emit(Event(session.host, "note", text))
            break
        if job.get("watched"):
            raise locked(session.host, job)
        emit(Event(session.host, "note", f"a run of {job.get('owner')} still goes on there: attaching to it"))
        session.request("attach", on_event=_relay(session.host, emit))
        emit(Event(session.host, "note", "that run has ended; looking at what is left to do"))
    desired = describe.desired(answer)
    plan = observe(session, desired.resources)
    begun = answer.get("unfinished")
    if begun and plan.changes:
        text = f"a run of {begun.get('who')} at {begun.get('at')} ({begun.get('what')}) was cut off; to be done:"
        emit(Event(session.host, "note", text))
    return desired, plan


def observe(session: Conversation, resources: Sequence[Resource]) -> Plan:
    """Ask for all states at once and compare: one round trip."""
    ordered = order(resources)
    answers = session.request("observe", questions=questions(ordered))
    if not isinstance(answers, list) or len(answers) != len(ordered):
        raise RemoteError("the agent answered other questions than were asked", host=session.host)
    try:
        return compare(ordered, answers, host=session.host)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RemoteError(f"the agent's answer makes no sense: {error!r}", host=session.host) from error


def converge(session: Conversation, describe: Describe, job: Job, emit: Emit) -> Outcome:
    """Make the host as wished, in as many stages as the wishes need, and look again after each.

    Raises StrixError only before the first job has ended; later it is the outcome's error, beside what was changed.
    """
    outcome = Outcome(session.host)
    for _ in range(MAX_STAGES):
        try:
            desired, plan = look(session, describe, emit, only=False)
            outcome.notes, outcome.shown = list(desired.notes), desired.shown
            if plan.changes:
                apply(session, plan, job, emit, outcome)
        except StrixError as error:
            if not outcome.applied:
                raise
            outcome.error = error.text
            break
        if outcome.error or outcome.remaining:
            break
        if desired.complete:
            break
        if not plan.changes:
            outcome.error = "; ".join(desired.notes) or "the wishes are not complete and nothing is left to change"
            break
    outcome.round_trips = session.round_trips
    return outcome


def apply(session: Conversation, plan: Plan, job: Job, emit: Emit, outcome: Outcome) -> None:
    """Send files, run the steps on the box, look again; the outcome tells what was FIXED and what FAILED."""
    changes = list(plan.changes)
    _show(session.host, changes, emit)
    if plan.uploads():
        _send_files(session, plan, job, emit)
        plan = _again(session, plan, changes, emit)
    for attempt in range(MAX_STALE):
        on_event = _relay(session.host, _listening(emit, outcome))
        result = session.request("apply", on_event=on_event, **_request(plan, job))
        if result.get("locked"):
            raise locked(session.host, result["locked"])
        if not result.get("stale") or attempt == MAX_STALE - 1:
            break
        plan = _again(session, plan, changes, emit)
    outcome.applied = True
    outcome.changes += changes
    after = observe(session, plan.resources)
    open_ids = {change.resource for change in after.changes}
    outcome.remaining = list(after.changes)
    for resource_id in dict.fromkeys(change.resource for change in changes):
        emit(Event(session.host, "failed" if resource_id in open_ids else "fixed", resource=resource_id))
    if not result.get("ok"):
        where = f"{result.get('resource', '')}: " if result.get("resource") else ""
        outcome.error = f"{where}{result.get('error', 'the job failed')}"
        outcome.log = [str(line) for line in result.get("log", [])]


def _show(host: str, changes: Sequence[Change], emit: Emit) -> None:
    for change in changes:
        emit(Event(host, "change", resource=change.resource, change=change))


def _again(session: Conversation, plan: Plan, changes: list[Change], emit: Emit) -> Plan:
    """Observe once more and plan from that; what is new in the plan is shown, and added to `changes`."""
    fresh = observe(session, plan.resources)
    new = [change for change in fresh.changes if change not in changes]
    if new:
        emit(Event(session.host, "note", "somebody changed the box after the plan was made; to do as well:"))
        _show(session.host, new, emit)
        changes += new
    return fresh


def _send_files(session: Conversation, plan: Plan, job: Job, emit: Emit) -> None:
    """Lock the box and send what it lacks. Raises LockedError, and StrixError when there is no room for it."""
    claimed = session.request("claim", who=job.who, what=job.what)
    if claimed.get("locked"):
        raise locked(session.host, claimed["locked"])
    for upload in plan.uploads():
        path = Path(upload.path)
        size = path.stat().st_size
        room = session.request("room", target=upload.target)
        wanted, free = size - upload.offset, int(room["free_bytes"])
        if wanted > free:
            raise StrixError(
                f"{wanted / 1e9:.1f} GB of {path.name} are to be sent to {room['folder']}; {free / 1e9:.1f} are free",
                host=session.host,
                hint="make room there (du -xh -d2 / shows what is large), then the same command again",
            )
        session.upload(path, upload, _every_tenth(session.host, path.name, size, emit))


def _request(plan: Plan, job: Job) -> dict[str, Any]:
    changes = [
        change.model_dump(mode="json", exclude={"found", "wanted"} if change.text else set()) for change in plan.changes
    ]
    return {
        "job": secrets.token_hex(6),
        "who": job.who,
        "what": job.what,
        "hold_at": job.hold_at,
        "questions": questions(plan.resources),
        "answers": list(plan.answers),
        "steps": plan.steps(),
        "changes": changes,
        "releases": [change.wanted for change in plan.changes if change.field == "release"],
    }


def locked(host: str, job: dict[str, Any]) -> LockedError:
    """The error that says who holds the lock."""
    return LockedError(
        f"locked by {job.get('owner', 'unknown')} since {job.get('since', '?')} for {job.get('what', '?')}"
        f" (until {job.get('expires', '?')} at the latest)",
        host=host,
        hint="wait for it; or look at it on the box: journalctl -fu 'strixkit-job-*'",
    )


def _every_tenth(host: str, name: str, size: int, emit: Emit) -> Callable[[int], None]:
    said = 0

    def sent(count: int) -> None:
        nonlocal said
        tenth = count * 10 // max(1, size)
        if tenth > said:
            said = tenth
            emit(Event(host, "progress", f"sending {name}: {tenth * 10} %"))

    return sent


def _listening(emit: Emit, outcome: Outcome) -> Emit:
    """Keeps the notes for who sees no events."""

    def take(event: Event) -> None:
        if event.kind == "note":
            outcome.said.append(f"{event.resource}: {event.text}")
        emit(event)

    return take


def _relay(host: str, emit: Emit) -> Any:
    def on_event(message: dict[str, Any]) -> None:
        kind = str(message.get("event", ""))
        if kind in ("step", "progress", "reached", "held", "note"):
            text = str(message.get("text") or message.get("step") or message.get("point") or "")
            emit(Event(host, kind, text, str(message.get("resource", ""))))

    return on_event
