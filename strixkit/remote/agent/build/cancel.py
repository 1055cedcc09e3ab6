"""Ending the build that runs: its unit, and with it the job that waits for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, lock
from strixkit.remote.agent.build import unit
from strixkit.remote.agent.cancel import at_work, stop

SECONDS = 5  # for a job to end by itself, which writes the journal
STEP = "build"


def cancel(who: str) -> "Dict[str, Any]":
    """End what is being built. Returns {"job": its id or "", "units": [those that ended]}; nothing to end is no error.

    A job that does something else is left alone. What was compiled stays, and the next run goes on with it.
    """
    building = at_work(STEP)
    names = units()
    if building:
        atomic.write_json(unit.CANCELLED, {"who": who})
    for name in names:
        unit.clear(name)
    if building:
        lock.wait_until_free(lock.ALIVE, SECONDS)
        if at_work(STEP) == building:  # it is at something that is no unit of ours
            stop(building)
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
