"""The step `fetch`: a unit fetches the file, root puts it in its place.

The unit outlives the job. The next run attaches to it when it is asked for the same, and otherwise replaces it; what is
recorded stays. A job that was cut off after the unit had ended well goes on with placing.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Any, Dict

from strixkit.remote.agent import hashes, paths
from strixkit.remote.agent.fetch import folder, place, status, store, unit
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.report import Report

POLL_SECONDS = 0.5
STILL_SECONDS = 5  # then what it waits for is said, in a log too


def fetch(step: "Dict[str, Any]", report: Report) -> None:
    """Fetch step["url"] to step["path"]; see docs/architecture.md. Raises FetchError.

    Points: fetch, place; and `attached` to what an earlier job has left running.
    """
    path, sha256 = str(step["path"]), str(step["sha256"])
    if os.path.isfile(path) and hashes.recorded(path) == sha256:
        return
    _clean()
    here = folder.prepare(sha256)
    request = unit.request_of(step)
    done = folder.read(here, folder.DONE)
    if not done.get("ok"):
        same = folder.read(here, folder.REQUEST) == request
        if same and not done and unit.at_work(sha256):
            report("attached to %s, which was still running" % unit.name(sha256))
        else:
            unit.start(here, request)
        report("fetch")
        done = _follow(here, sha256, report)
    if not done.get("ok"):
        raise FetchError(str(done.get("error")))
    report("place")
    place.place(step, here)
    report.note("%s: %s" % (path, _sources(done)))


def _clean() -> None:
    """Remove what a power cut has left of files that were put in place."""
    for name in os.listdir(paths.INCOMING) if os.path.isdir(paths.INCOMING) else ():
        here = os.path.join(paths.INCOMING, name)
        if folder.read(here, folder.DONE).get("ok") and not os.path.lexists(os.path.join(here, store.DATA)):
            shutil.rmtree(here, ignore_errors=True)


def _follow(here: str, sha256: str, report: Report) -> "Dict[str, Any]":
    """Say how far it is until the unit has said its last word; returns that."""
    said = noted = waits = ""
    had, since = -1, time.monotonic()
    while True:
        running = unit.at_work(sha256)
        done = folder.read(here, folder.DONE)
        if done:
            return done
        if not running:
            words = unit.last_words(unit.name(sha256))
            text = "%s ended%s; what is there stays; next: the same command, and journalctl -u %s on the box"
            name = unit.name(sha256)
            raise FetchError(text % (name, ": " + words if words else "", name))
        found = folder.read(here, folder.STATUS)
        try:
            words, note, state = status.words(found), str(found["note"]), str(found["state"])
            have = int(found["have"])
        except (KeyError, TypeError, ValueError):
            words = note = state = ""  # not written yet
            have = 0
        if have != had:
            had, since, waits = have, time.monotonic(), ""
        if words and words != said:
            report.counted(words)
            said = words
        if state != waits and time.monotonic() - since > STILL_SECONDS:
            report.counted("nothing has come for %d s: %s" % (time.monotonic() - since, state or "no reason is known"))
            waits = state
        if note and note != noted:
            report.note(note)
            noted = note
        time.sleep(POLL_SECONDS)


def _sources(done: "Dict[str, Any]") -> str:
    sources, seconds = dict(done.get("sources", {})), float(done.get("seconds", 0))
    parts = ", ".join("%s of %s" % (status.gigabytes(int(number)), name) for name, number in sorted(sources.items()))
    return "%s in %s" % (parts or "nothing new", status.duration(int(seconds)))
