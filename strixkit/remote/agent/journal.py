"""The append-only record of every apply on this box."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, List, Optional

from strixkit.remote.agent import paths


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


def append(entry: Dict[str, Any]) -> None:
    """Add one line and make it survive a power cut. A line that a cut left unfinished is ended first."""
    os.makedirs(paths.STATE, mode=0o755, exist_ok=True)
    line = json.dumps(dict(entry, at=now()), sort_keys=True).encode() + b"\n"
    with open(paths.JOURNAL, "a+b", opener=_private) as handle:
        if handle.tell():
            handle.seek(-1, os.SEEK_END)
            line = line if handle.read(1) == b"\n" else b"\n" + line
        handle.write(line)
        handle.flush()
        os.fsync(handle.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def entries(limit: int = 1000) -> List[Dict[str, Any]]:
    """Return the newest entries, oldest first."""
    return _parsed(_lines()[-limit:])


def gatings() -> List[Dict[str, Any]]:
    """Return all entries of passed gates, oldest first, however old: a quiet service's are far back."""
    return [entry for entry in _parsed([line for line in _lines() if b'"gated"' in line]) if entry["event"] == "gated"]


def _lines() -> List[bytes]:
    try:
        with open(paths.JOURNAL, "rb") as handle:
            return handle.read().splitlines()
    except OSError:
        return []


def _parsed(lines: List[bytes]) -> List[Dict[str, Any]]:
    """A line that a power cut left unfinished is skipped."""
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def unfinished(log: List[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """Return the last begun apply that has no end, or None."""
    last = None
    for entry in log:
        if entry.get("event") == "begin":
            last = entry
        elif entry.get("event") == "end" and last and entry.get("job") == last.get("job"):
            last = None
    return last


def gated(log: List[Dict[str, Any]], service: str) -> List[str]:
    """Return the releases of `service` that passed the gate, oldest first, each once at its last place."""
    names = [str(entry["release"]) for entry in log if entry.get("service") == service]
    return list(reversed(list(dict.fromkeys(reversed(names)))))


def previous(log: List[Dict[str, Any]], service: str, release: str, kept: List[str]) -> str:
    """Return the release that `release` replaced, or an empty string. One that is not kept is passed over.

    A rollback is no step forward: after it, the one before is still that of the release that is back.
    """
    before = {
        str(entry["release"]): str(entry.get("before", ""))
        for entry in log
        if entry.get("service") == service
        and not entry.get("rollback")
        and entry.get("before") != entry["release"]  # one that was brought back into service replaced nothing
    }
    seen = {release}
    found = before.get(release, "")
    while found and (found not in kept or found in seen):
        if found in seen:
            return ""
        seen.add(found)
        found = before.get(found, "")
    return found
