"""What `invoke lock` found, for people and as JSON."""

from __future__ import annotations

from typing import Any

from strixkit.config.document import shown
from strixkit.display.columns import columns
from strixkit.display.lock_hub import SHORT, hub_document, hub_lines, next_line, since
from strixkit.display.text import one_line
from strixkit.fleet.lock import Locking
from strixkit.fleet.lock_git import Entry


def lines(found: Locking) -> list[str]:
    """One line for each runtime and model, below each list what was not resolved and why; then the file's state."""
    if not found.entries and not found.hub:
        return [f"no runtime of profiles/runtimes/ is built from git{_file(found)}"]
    return [*_git_lines(found), *hub_lines(found), f"{shown(found.path)}{_file(found)}"]


def _git_lines(found: Locking) -> list[str]:
    rows = [
        (name, entry.ref, _commits(entry), _state(entry, found)) for entry in found.entries for name in entry.runtimes
    ]
    text = columns([tuple(map(one_line, row)) for row in sorted(rows)]) if rows else []
    for item in found.unused:
        text.append(f"no runtime names {one_line(item.ref)} of {one_line(item.repository)} any more")
    for entry in found.entries:
        if entry.redirected:
            where = one_line(entry.redirected)
            text.append(
                f"note: {one_line(entry.repository)} has moved to {where}: write that as repository: in its file"
            )
        if entry.error is not None:
            text.append(f"not resolved: {', '.join(entry.runtimes)}: {one_line(entry.error.message)}")
            text.append(next_line(entry.error, entry.runtimes))
    return text


def document(found: Locking) -> dict[str, Any]:
    """All of it."""
    return {
        "file": str(found.path),
        "check": found.check,
        "written": found.written,
        "sources": [
            {
                "runtimes": list(entry.runtimes),
                "repository": entry.repository,
                "ref": entry.ref,
                "state": entry.state,
                "kind": entry.found.kind if entry.found else None,
                "old": entry.old.commit if entry.old else None,
                "locked": entry.old.locked.isoformat() if entry.old else None,
                "days": (found.today - entry.old.locked).days if entry.old else None,
                "new": entry.found.commit if entry.found else None,
                "redirected": entry.redirected or None,
                "error": entry.error.message if entry.error else None,
                "next": entry.error.hint if entry.error else None,
            }
            for entry in found.entries
        ],
        "unused": [item.model_dump(mode="json") for item in found.unused],
        **hub_document(found),
    }


def _commits(entry: Entry) -> str:
    old = entry.old.commit[:SHORT] if entry.old else "not locked"
    new = entry.found.commit[:SHORT] if entry.found else "?"
    return old if old == new else f"{old} -> {new}"


def _state(entry: Entry, found: Locking) -> str:
    words = {
        "unchanged": "unchanged",
        "new": "new",
        # A tag is to stay where it is: someone should look.
        "moved": "moved" if entry.found is None or entry.found.kind == "branch" else "the TAG has moved",
        "unresolved": "not resolved: stays as it is" if entry.old else "not resolved: stays not locked",
    }[entry.state]
    return f"{words}{since(entry.old.locked if entry.old else None, found.today)}"


def _file(found: Locking) -> str:
    if found.written:
        return ": written"
    if found.check and found.differs:
        return ": as it was; invoke lock would change it"
    return ": unchanged"
