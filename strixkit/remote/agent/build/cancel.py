"""Ending the build that runs: its unit, and with it the job that waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, job, lock
from strixkit.remote.agent.build import unit

SECONDS = 5  # for a job to end by itself, which writes the journal
STEP = "build"


def cancel(who: str) -> "Dict[str, Any]":
    """End what is being built. Returns {"job": its id or "", "units": [those that ended]}; nothing to end is no error.

    A job that does something else is left alone. What was compiled stays, and the next run goes on with it.
    """
    building = at_work()
    names = units()
    if building:
        atomic.write_json(unit.CANCELLED, {"who": who})
    for name in names:
        unit.clear(name)
    if building:
        lock.wait_until_free(lock.ALIVE, SECONDS)
        if at_work() == building:  # it is at something that is no unit of ours
            name = "strixkit-job-%s.service" % building
            subprocess.run(["systemctl", "stop", "--", name], stdin=subprocess.DEVNULL, capture_output=True)
    return {"job": building, "units": names}


def begin() -> None:
    """A build begins: what was cancelled before does not concern it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unit.CANCELLED)


def end_others(name: str) -> None:
    """End units of other builds: one job works at a time, so nobody waits for them."""
    for other in units():
        if other != name:
            unit.clear(other)


def units() -> "List[str]":
    """The units of builds that are at work."""
    words = [
        "systemctl",
        "list-units",
        "--plain",
        "--no-legend",
        "--state=active,activating",
        "strixkit-build-*.service",
    ]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def at_work(wanted: str = STEP) -> str:
    """The id of the running job if it is at this step; otherwise an empty text."""
    if not lock.is_locked(lock.ALIVE):
        return ""
    request = atomic.read_json(lock.REQUEST) or {}
    step = ""
    with contextlib.suppress(OSError), open(job.EVENTS, "rb") as handle:
        for line in handle:
            if b'"step"' in line:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    step = str(event.get("step", "")) if event.get("event") == "step" else step
    return str(request.get("job", "")) if step == wanted else ""
