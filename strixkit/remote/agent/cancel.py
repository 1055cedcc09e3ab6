"""Ending what goes on in a unit that outlives its job: a fetch, or a tool of the runtime. What is there stays."""

from __future__ import annotations

import subprocess
from typing import Any, Dict

from strixkit.remote.agent import detached
from strixkit.remote.agent.build.cancel import at_work

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
    job = at_work(step)
    if job:
        name = "strixkit-job-%s.service" % job
        subprocess.run(["systemctl", "stop", "--", name], stdin=subprocess.DEVNULL, capture_output=True)
    names = [name for name in detached.units(pattern) if detached.running(name)]
    for name in detached.units(pattern):
        detached.clear(name)
    return {"job": job, "units": names}
