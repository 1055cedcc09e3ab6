"""Ending what goes on in a unit that outlives its job: a fetch, or a tool of the runtime. What is there stays."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import Any, Dict

from strixkit.remote.agent import atomic, detached, job, lock

# Verb -> the step of its job, and its units.
WORK = {
    "pull": ("fetch", "strixkit-fetch-*.service"),
    "quantize": ("make", "strixkit-make-*.service"),
    "evaluate": ("evaluate", "strixkit-evaluate-*.service"),
}


def cancel(verb: str) -> "Dict[str, Any]":
    """End the work of a verb: its job, if that is at it, and its units. Returns {"job": id or "", "units": names}.

    The job goes first: it would take the end of its unit for a fault and begin again.
    """
    step, pattern = WORK[verb]
    working = at_work(step)
    if working:
        stop(working)
    found = detached.units(pattern)
    names = [name for name in found if detached.running(name)]
    for name in found:
        detached.clear(name)
    return {"job": working, "units": names}


def stop(name: str) -> None:
    """End a job by its id."""
    unit = "strixkit-job-%s.service" % name
    subprocess.run(["systemctl", "stop", "--", unit], stdin=subprocess.DEVNULL, capture_output=True)


def at_work(wanted: str) -> str:
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
