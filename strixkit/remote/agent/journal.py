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
    """Add one line and make it survive a power cut."""
    os.makedirs(paths.STATE, mode=0o755, exist_ok=True)
    line = json.dumps(dict(entry, at=now()), ensure_ascii=False, sort_keys=True).encode() + b"\n"
    fd = os.open(paths.JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line)
        os.fsync(fd)
    finally:
        os.close(fd)


def entries(limit: int = 1000) -> List[Dict[str, Any]]:
    """Return the newest entries, oldest first. A line that a power cut left unfinished is skipped."""
    try:
        with open(paths.JOURNAL, "rb") as handle:
            lines = handle.read().splitlines()[-limit:]
    except OSError:
        return []
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
    order: List[str] = []
    for entry in log:
        if entry.get("event") == "gated" and entry.get("service") == service:
            release = str(entry.get("release"))
            if release in order:
                order.remove(release)
            order.append(release)
    return order
