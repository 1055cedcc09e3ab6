"""Rebooting a box, once, and waiting for it.

The box ends its services and reboots by itself, in a job; if it cannot, it starts them again by itself. From here it is
only watched: another boot_id says that it has booted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strixkit.engine.events import Emit, Event
from strixkit.engine.job import locked, new_id, recorded, relay
from strixkit.engine.values import Conversation, Job
from strixkit.errors import ConnectError, DeniedError, RemoteError, StrixError
from strixkit.resources.base import LIVE, Change

PAUSE_SECONDS = 3
AGAIN_SECONDS = 60  # what is seen and has not changed is said once more after this
START_SECONDS = 30  # so long the agent waits for its job to start (agent/job.py)
NEWEST = 20  # entries of the journal, among which are those of the job
SAME = "it answers, boot_id still the old one"


class LostError(StrixError):
    """A box is not back as it should be. `why`: in words that follow the host's name."""

    def __init__(self, why: str, message: str, *, host: str, hint: str | None) -> None:
        super().__init__(message, host=host, hint=hint)
        self.why = why


@dataclass(frozen=True)
class Begun:
    """A reboot that was asked for. `at` is of time.monotonic()."""

    job: str
    boot_id: str
    at: float


def names(changes: Sequence[Change]) -> str:
    """What a reboot is for, in words."""
    return ", ".join(dict.fromkeys(change.field.removesuffix(LIVE) for change in changes))


def begin(session: Conversation, pending: Sequence[Change], job: Job, emit: Emit) -> Begun:
    """Let the box end its services and reboot. Raises LockedError, RemoteError: it was not rebooted.

    A connection that ends meanwhile is no error: the box goes on by itself, and `wait` sees what became of it.
    """
    boot_id, _ = _boot(session)
    if not boot_id:
        raise RemoteError("it has no boot_id by which a reboot could be recognised", host=session.host)
    begun = Begun(new_id(), boot_id, time.monotonic())
    request = {
        "job": begun.job,
        "who": job.who,
        "what": "reboot",
        "hold_at": job.hold_at,
        "questions": [],
        "answers": [],
        "steps": [{"step": "reboot", "resource": "host", "who": job.who, "what": job.what, "why": names(pending)}],
        "changes": recorded(pending),
        "releases": [],
    }
    emit(Event(session.host, "reboot", f"for {names(pending)}; its services end first"))
    try:
        result = session.request("apply", on_event=relay(session.host, emit), **request)
    except ConnectError:
        return begun
    if result.get("locked"):
        raise locked(session.host, result["locked"])
    if not result.get("ok"):
        raise _not_rebooted(session.host, str(result.get("error", "the job failed")))
    return begun


def wait(session: Conversation, begun: Begun, job: Job, emit: Emit) -> None:
    """Return when the box has booted and its devices are there. Raises LostError, or RemoteError if it stayed up."""
    watch = _Watch(session.host, begun.at, emit)
    end = begun.at + job.reboot_minutes * 60
    while True:
        session.close()
        try:
            session.reopen()
            boot_id, busy = _boot(session)
            if boot_id not in ("", begun.boot_id):
                session.request("boot", settle=True)
                emit(Event(session.host, "reboot", f"it is back after {_span(time.monotonic() - begun.at)}"))
                return
            why = _why_it_stays_up(session, begun, busy=busy)
            watch.answered()
        except DeniedError as error:
            raise LostError("did not come back", error.message, host=session.host, hint=error.hint) from error
        except StrixError as error:  # not all of it may be there yet: a network, accounts, a shell that says why not
            why = ""
            watch.silent(error.message)
        if why:
            raise _not_rebooted(session.host, why)
        if time.monotonic() >= end:
            session.close()
            raise watch.timed_out(job)
        time.sleep(PAUSE_SECONDS)


def check_live(host: str, expected: Sequence[Change], pending: Sequence[Change]) -> None:
    """Raise LostError if something that the reboot was for is still pending."""
    wanted = {(change.resource, change.field) for change in expected}
    missing = [change for change in pending if (change.resource, change.field) in wanted]
    if missing:
        words = "; ".join(f"{names([change])}: found {change.found}, wanted {change.wanted}" for change in missing)
        raise LostError(
            f"came back without {names(missing)}",
            f"it was rebooted, and this is not live: {words}",
            host=host,
            hint="on the box: cat /proc/cmdline (another boot entry may have been booted, or another file sets it); "
            f"then: invoke plan --host {host}",
        )


def _boot(session: Conversation) -> tuple[str, bool]:
    """The boot_id, and whether a job is at work. Raises RemoteError for an answer that makes no sense."""
    answer = session.request("boot")
    if not isinstance(answer, dict) or not isinstance(answer.get("boot_id"), str):
        raise RemoteError("the agent's answer makes no sense: no boot_id", host=session.host)
    return answer["boot_id"], bool(answer.get("busy"))


def _of_job(session: Conversation, job: str) -> list[dict[str, Any]]:
    entries = session.request("journal", limit=NEWEST)
    if not isinstance(entries, list):
        raise RemoteError("the agent's answer makes no sense: no journal", host=session.host)
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("job") == job]


def _why_it_stays_up(session: Conversation, begun: Begun, *, busy: bool) -> str:
    """Why a box that still has the old boot_id will not reboot: its job has failed, or never begun; mostly nothing."""
    entries = _of_job(session, begun.job)
    for entry in entries:
        if entry.get("event") == "end" and not entry.get("ok"):
            return str(entry.get("error") or "the job failed")
    if not entries and not busy and time.monotonic() - begun.at > START_SECONDS:
        return "the connection was lost before the box had begun"
    return ""


def _not_rebooted(host: str, why: str) -> RemoteError:
    return RemoteError(f"it was not rebooted: {why}", host=host, hint="when that is cleared, the same command again")


class _Watch:
    """What was last seen of the box, said when it changes."""

    def __init__(self, host: str, begun: float, emit: Emit) -> None:
        self.host, self.begun, self.emit = host, begun, emit
        self.seen = ""
        self.said = 0.0
        self.seen_at = ""
        self.answered_at = ""
        self.up = True

    def answered(self) -> None:
        self.answered_at, self.up = _clock(), True
        self._saw(SAME)

    def silent(self, what: str) -> None:
        if self.up:
            self._saw(f"it stopped answering after {_span(time.monotonic() - self.begun)}")
        self.up = False
        self._saw(what)

    def timed_out(self, job: Job) -> LostError:
        limit = f"within {job.reboot_minutes:g} min"
        if self.up:
            message = f"it has not gone down {limit} of the order to reboot; last seen at {self.seen_at}: {self.seen}"
            hint = "on the box: systemctl list-jobs says what the shutdown waits for"
        else:
            last = f"the last answer was at {self.answered_at}; " if self.answered_at else ""
            message = f"it did not come back {limit} of its reboot; {last}last seen at {self.seen_at}: {self.seen}"
            hint = "look at its power and its console"
        hint += f"; when it is back: invoke deploy --host {self.host} --reboot goes on (--reboot-timeout waits longer)"
        return LostError("did not come back", message, host=self.host, hint=hint)

    def _saw(self, what: str) -> None:
        now = time.monotonic()
        self.seen_at = _clock()
        if what != self.seen or now - self.said >= AGAIN_SECONDS:
            self.emit(Event(self.host, "progress", f"{what} ({_span(now - self.begun)} after the order to reboot)"))
            self.said = now
        self.seen = what


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
