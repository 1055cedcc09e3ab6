"""One host, from facts to a verified state: facts, wishes, observe, plan, apply, observe again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from strixkit.engine import reboot
from strixkit.engine.events import Emit, Event
from strixkit.engine.job import locked, plan_request, relay
from strixkit.engine.plan import Plan, compare, order, questions
from strixkit.engine.values import Conversation, Describe, Desired, Job, Outcome
from strixkit.errors import InputError, RemoteError, StrixError
from strixkit.resources.base import Change, Resource

MAX_STAGES = 4
INCOMPLETE = "the wishes are not complete and nothing is left to change"
MAX_STALE = 3  # attempts with a box that changes between a look and the job


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
        session.request("attach", on_event=relay(session.host, emit))
        emit(Event(session.host, "note", "that run has ended; looking at what is left to do"))
    desired = describe.desired(answer)
    plan = observe(session, desired.resources)
    begun = answer.get("unfinished")
    if begun and plan.todo:
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

    What a stage's steps have made different, and nothing had changed before, is for the next stage.

    Raises StrixError only before the first job has ended; later it is the outcome's error, beside what was changed.
    """
    outcome = Outcome(session.host)
    rebooted = False
    expected: list[Change] = []  # what a reboot was for, until it is seen
    for _ in range(MAX_STAGES + (1 if job.reboot else 0)):
        try:
            desired, plan = look(session, describe, emit, only=False)
            outcome.notes, outcome.shown = list(desired.notes), desired.shown
            outcome.remaining, outcome.pending = list(plan.todo), list(plan.pending)
            if expected:
                _after_reboot(session.host, plan, expected, emit, outcome)
                expected = []
            if plan.todo:
                apply(session, plan, job, emit, outcome)
            if outcome.error or _failed(outcome):
                break
            if outcome.remaining:
                continue  # differences that the steps have made, e.g. an old build that no release uses any more
            if job.reboot and outcome.pending and not rebooted:
                rebooted = True
                _reboot(session, outcome.pending, job, emit, outcome)
                expected = list(outcome.pending)
                continue
        except reboot.LostError as error:
            outcome.error, outcome.lost = error.text, error.why
            break
        except StrixError as error:
            if not outcome.applied:
                raise
            outcome.error = error.text
            if expected:
                outcome.lost = "was not seen to be right after its reboot"
            break
        if desired.complete:
            break
        if not plan.todo:
            _incomplete(desired, outcome)
            break
    outcome.round_trips = session.round_trips
    return outcome


def _incomplete(desired: Desired, outcome: Outcome) -> None:
    """Nothing is left to change and the wishes are not complete: somebody else's turn, or an error."""
    if desired.later and not desired.lacks:
        outcome.later = desired.later
    else:
        outcome.error = "\n".join(desired.lacks) or "; ".join(desired.notes) or INCOMPLETE


def _failed(outcome: Outcome) -> bool:
    """Whether something that this run has changed still differs."""
    return bool({change.resource for change in outcome.remaining} & {change.resource for change in outcome.changes})


def _reboot(session: Conversation, pending: Sequence[Change], job: Job, emit: Emit, outcome: Outcome) -> None:
    begun = reboot.begin(session, pending, job, emit)
    outcome.applied = True
    reboot.wait(session, begun, job, emit)


def _after_reboot(host: str, plan: Plan, expected: Sequence[Change], emit: Emit, outcome: Outcome) -> None:
    reboot.check_live(host, expected, plan.pending)
    outcome.changes += expected
    for resource in dict.fromkeys(change.resource for change in expected):
        emit(Event(host, "fixed", "after the reboot", resource))


def apply(session: Conversation, plan: Plan, job: Job, emit: Emit, outcome: Outcome) -> None:
    """Send files, run the steps on the box, look again; the outcome tells what was FIXED and what FAILED."""
    changes = list(plan.todo)
    _show(session.host, plan.changes, emit)
    if not plan.steps():
        raise StrixError(f"no step makes it so: {', '.join(change.resource for change in changes)}", host=session.host)
    if plan.uploads():
        _send_files(session, plan, job, emit)
        plan = _again(session, plan, changes, emit)
    for attempt in range(MAX_STALE):
        on_event = relay(session.host, _listening(emit, outcome))
        result = session.request("apply", on_event=on_event, **plan_request(plan, job))
        if result.get("locked"):
            raise locked(session.host, result["locked"])
        if not result.get("stale") or attempt == MAX_STALE - 1:
            break
        plan = _again(session, plan, changes, emit)
    outcome.applied = True
    outcome.changes += changes
    try:
        after = observe(session, plan.resources)
    except InputError:
        if result.get("ok"):
            raise
        # What is in the way now, as a disk that the job has filled, must not hide how it failed.
        outcome.remaining = changes
        _job_failed(outcome, result)
        return
    open_ids = {change.resource for change in after.todo}
    outcome.remaining, outcome.pending = list(after.todo), list(after.pending)
    for resource_id in dict.fromkeys(change.resource for change in changes):
        emit(Event(session.host, "failed" if resource_id in open_ids else "fixed", resource=resource_id))
    for change in after.pending:
        emit(Event(session.host, "pending", f"{reboot.names([change])}: for a reboot", change.resource))
    if not result.get("ok"):
        _job_failed(outcome, result)


def _job_failed(outcome: Outcome, result: dict[str, Any]) -> None:
    where = f"{result.get('resource', '')}: " if result.get("resource") else ""
    outcome.error = f"{where}{result.get('error', 'the job failed')}"
    outcome.log = [str(line) for line in result.get("log", [])]


def _show(host: str, changes: Sequence[Change], emit: Emit) -> None:
    for change in changes:
        emit(Event(host, "change", resource=change.resource, change=change))


def _again(session: Conversation, plan: Plan, changes: list[Change], emit: Emit) -> Plan:
    """Observe once more and plan from that; what is new in the plan is shown, and added to `changes`."""
    fresh = observe(session, plan.resources)
    new = [change for change in fresh.todo if change not in changes]
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
