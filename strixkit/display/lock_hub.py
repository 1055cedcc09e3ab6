"""What `invoke lock` found on the hub, for people and as JSON."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from strixkit.config.lock import LockedFile
from strixkit.config.repository import COMMIT
from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.errors import StrixError
from strixkit.fleet.lock import Locking
from strixkit.fleet.lock_hub import HubEntry

SHORT = 12  # digits of a commit or sha256 that are shown
STATES = {
    "unchanged": "unchanged",
    "new": "new",
    "moved": "moved",
    "changed": "changed",
    "unresolved": "not resolved: stays as it is",
}


def since(locked: datetime.date | None, today: datetime.date) -> str:
    """When it was locked, as the end of a line."""
    if locked is None:
        return ""
    days = (today - locked).days
    return f", locked {locked} ({days} day{'' if days == 1 else 's'} ago)"


def next_line(error: StrixError, names: Sequence[str]) -> str:
    """What to do about what was not resolved."""
    again = f"invoke lock --only {','.join(names)}"
    return f"  next: {one_line(error.hint)}; then {again}" if error.hint else f"  next: {again}, later"


def hub_lines(found: Locking) -> list[str]:
    """A line for each model's repository, below it the files that differ; then what was not resolved and why."""
    entries = sorted(found.hub, key=lambda entry: (entry.models, entry.repo, entry.ref))
    rows = [
        (name, entry.repo, _ref(entry), _commits(entry), _state(entry, found))
        for entry in entries
        for name in entry.models
    ]
    lines = iter(columns([tuple(map(one_line, row)) for row in rows]) if rows else [])
    text = []
    for entry in entries:
        text += [*islice(lines, len(entry.models)), *_file_lines(entry)]
    for item in found.hub_unused:
        text.append(f"no model names {one_line(item.ref)} of {item.repo} any more")
    for entry in found.hub:
        if entry.revision and entry.revision.moved:
            text.append(
                f"note: {entry.repo} has moved to {one_line(entry.revision.moved)}: write that as repo: in its file"
            )
        for error in entry.errors:
            text.append(f"not resolved: {', '.join(entry.models)}: {one_line(error.message)}")
            text.append(next_line(error, entry.models))
    return text


def hub_document(found: Locking) -> dict[str, Any]:
    """All of it."""
    return {
        "hub": [
            {
                "models": list(entry.models),
                "repo": entry.repo,
                "ref": entry.ref,
                "state": entry.state,
                "old": entry.old.commit if entry.old else None,
                "locked": entry.old.locked.isoformat() if entry.old else None,
                "days": (found.today - entry.old.locked).days if entry.old else None,
                "new": entry.revision.commit if entry.revision else None,
                "moved": (entry.revision.moved or None) if entry.revision else None,
                "files": [item.model_dump(mode="json") for item in entry.files],
                "changes": [{"old": _dumped(old), "new": _dumped(new)} for old, new in entry.changes],
                "errors": [{"error": error.message, "next": error.hint} for error in entry.errors],
            }
            for entry in found.hub
        ],
        "hub_unused": [item.model_dump(mode="json") for item in found.hub_unused],
    }


def _dumped(file: LockedFile | None) -> dict[str, Any] | None:
    return file.model_dump(mode="json") if file else None


def _ref(entry: HubEntry) -> str:
    return entry.ref[:SHORT] if re.fullmatch(COMMIT, entry.ref) else entry.ref


def _commits(entry: HubEntry) -> str:
    old = entry.old.commit[:SHORT] if entry.old else "not locked"
    new = entry.revision.commit[:SHORT] if entry.revision else "?"
    return old if old == new else f"{old} -> {new}"


def _state(entry: HubEntry, found: Locking) -> str:
    words = STATES[entry.state]
    if entry.state == "unresolved" and not entry.old:
        words = "not resolved: stays not locked"
    if entry.state == "moved" and not entry.changes:
        words = "moved, with the same files"
    return f"{words}{since(entry.old.locked if entry.old else None, found.today)}"


def _file_lines(entry: HubEntry) -> list[str]:
    """A line for each file that is not as it is locked."""
    rows = []
    for old, new in entry.changes:
        item = new or old
        assert item is not None  # one of them is there, or it were no change
        rows.append((f"  {item.file}", f"{item.size_bytes:,} bytes", f"sha256 {item.sha256[:SHORT]}", _what(old, new)))
    return columns([tuple(map(one_line, row)) for row in rows], right=(1,)) if rows else []


def _what(old: LockedFile | None, new: LockedFile | None) -> str:
    if old is None or new is None:
        return "new" if old is None else "no model names it any more"
    return f"changed: locked are {old.size_bytes:,} bytes, sha256 {old.sha256[:SHORT]}"
