"""Applying steps as a transient systemd unit, so that a lost connection loses nothing.

The session that starts the job only watches it. If the session dies the job goes on, and the next run attaches.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from typing import Any, Callable, Dict, Iterator, Optional

from strixkit.remote.agent import atomic, journal, lock, paths
from strixkit.remote.agent.report import Report

PROGRAM = paths.RUN + "/agent.pyz"
EVENTS = paths.RUN + "/events.jsonl"
GO_ON = paths.RUN + "/go-on"  # ends a hold
HOLD_SECONDS = 120


def start(request: Dict[str, Any], agent: bytes) -> Optional[Dict[str, Any]]:
    """Start the job; returns None, or the lock of the job that is already running."""
    starting = lock.wait(lock.START)
    if starting is None:
        return {
            "owner": "another run",
            "since": journal.now(),
            "what": "starting",
            "expires": "",
            "watched": True,
        }
    try:
        running = lock.state()
        if running is not None:
            return running
        for leftover in (EVENTS, GO_ON):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(leftover)
        atomic.write(PROGRAM, agent, 0o600)
        atomic.write_json(lock.REQUEST, dict(request, lock=lock.describe(request)))
        lock.watch()
        # A name for each job: systemd may not have forgotten the unit of the one before yet.
        _spawn("strixkit-job-%s.service" % request["job"], str(request["what"]))
    finally:
        os.close(starting)
    return None


def _spawn(unit: str, what: str) -> None:
    done = subprocess.run(
        [
            "systemd-run",
            "--quiet",
            "--collect",
            "--unit=" + unit,
            "--service-type=exec",
            "--property=RuntimeMaxSec=%d" % lock.LIMIT_SECONDS,
            "--property=ExecStopPost=/usr/bin/env python3 -I %s clean-up" % PROGRAM,
            "--property=TimeoutStopSec=30min",  # it may have to load the model of the release before
            "--description=strixkit " + what.replace("%", "%%"),
            "python3",
            "-I",
            PROGRAM,
            "job",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError("systemd-run: " + done.stderr.strip())
    end = time.monotonic() + 30
    while not os.path.exists(EVENTS):
        if time.monotonic() > end:
            raise RuntimeError("the job did not start within 30 s; see journalctl -u " + unit)
        time.sleep(0.01)


def follow(session: int) -> Iterator[Dict[str, Any]]:
    """Yield the job's events from its start to its end; the last one has `event` = `end`.

    session: the descriptor that becomes readable when the controller is gone; then this ends, and with it the
    claim that somebody watches.
    """
    lock.watch()
    try:
        with open(EVENTS, "rb") as handle:
            pending = b""
            while True:
                alive = lock.is_locked(lock.ALIVE)
                pending += handle.read()
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["event"] == "end":
                        lock.wait_until_free(lock.ALIVE)
                        yield event
                        return
                    yield event
                if not alive:
                    yield {"event": "end", "ok": False, "error": "the job was ended from outside"}
                    return
                # While it watches, the controller says only that it is alive; the end of the file is its end.
                if select.select([session], [], [], 0.02)[0]:
                    if not os.read(session, 4096):
                        raise RuntimeError("the controller is gone")
                    lock.heard()
    finally:
        lock.unwatch()


class Recorder:
    """Writes events where `follow` reads them, and holds at a named point when a test asks for it."""

    def __init__(self, hold_at: str) -> None:
        self.hold_at = hold_at
        self.fd = os.open(EVENTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def emit(self, **event: Any) -> None:
        """Add one event."""
        os.write(self.fd, json.dumps(event).encode() + b"\n")

    def reached(self, point: str) -> None:
        """Say that a point is reached; hold there (at most HOLD_SECONDS) if the request names it."""
        self.emit(event="reached", point=point)
        if point == self.hold_at:
            self.emit(event="held", point=point)
            end = time.monotonic() + HOLD_SECONDS
            while not os.path.exists(GO_ON) and time.monotonic() < end:
                time.sleep(0.02)


def clean_up() -> int:
    """Runs after every job, however it ended; has work only when the job was killed."""
    from strixkit.remote.agent import activate, reboot

    begun = journal.unfinished(journal.entries())
    if (begun or activate.leftovers() or reboot.interrupted()) and lock.wait(lock.ALIVE) is not None:
        activate.clean_up()
        if reboot.interrupted():
            reboot.restart()
        if begun:
            journal.append(dict(begun, event="end", ok=False, error="the job was ended from outside"))
    return 0


def run() -> int:
    """The job itself: look again, run the steps in order, stop at the first that fails, write the journal."""
    from strixkit.remote.agent import observe

    if lock.wait(lock.ALIVE) is None:
        return 75
    request = atomic.read_json(lock.REQUEST) or {}
    recorder = Recorder(str(request.get("hold_at", "")))
    entry = {key: request[key] for key in ("job", "who", "what", "changes", "releases")}
    error: Dict[str, Any] = {}
    questions = request["questions"]
    if observe.lasting(questions, observe.answer_all(questions)) != observe.lasting(questions, request["answers"]):
        error = {"error": "the box changed after the plan was made; nothing was done", "stale": True}
    else:
        journal.append(dict(entry, event="begin"))
        error = _run_steps(request["steps"], recorder)
        journal.append(dict(entry, event="end", ok=not error, error=error.get("error", "")))
    recorder.emit(event="end", ok=not error, **error)
    return 1 if error else 0


def _run_steps(todo: Any, recorder: Recorder) -> Dict[str, Any]:
    from strixkit.remote.agent import steps

    for number, step in enumerate(todo):
        label = "%d:%s:%s" % (number, step["step"], step["resource"])
        recorder.reached(label)
        recorder.emit(event="step", resource=step["resource"], step=step["step"])

        failure = _attempt(steps.STEPS[step["step"]], step, StepReport(recorder, label, step["resource"]))
        if failure:
            return dict(failure, resource=step["resource"], step=step["step"])
    recorder.reached("done")
    return {}


class StepReport:
    """Implements `Report` for one step."""

    def __init__(self, recorder: Recorder, label: str, resource: str) -> None:
        self._recorder = recorder
        self._label = label
        self._resource = resource

    def __call__(self, text: str) -> None:
        """Progress; the job may be told to hold there."""
        self._recorder.emit(event="progress", resource=self._resource, text=text)
        self._recorder.reached(self._label + ":" + text)

    def counted(self, text: str) -> None:
        """Progress of which there is a lot."""
        self._recorder.emit(event="progress", resource=self._resource, text=text)

    def note(self, text: str) -> None:
        """Shown, and kept in the outcome."""
        self._recorder.emit(event="note", resource=self._resource, text=text)


def _attempt(action: Callable[..., None], step: Dict[str, Any], report: Report) -> Dict[str, Any]:
    try:
        action(step, report)
    except Exception as error:  # whatever a step raises must end in the journal and in the answer
        text = "%s: %s" % (type(error).__name__, error) if isinstance(error, KeyError) else str(error)
        return {"error": text, "log": getattr(error, "log", [])}
    return {}
