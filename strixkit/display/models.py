"""Model files on boxes, for people and as JSON."""

from __future__ import annotations

import re
from typing import Any

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.host.models import Found, Half, Models
from strixkit.resources.download import gigabytes

STATE = "/var/lib/strixkit/"
HALF = re.compile(r"((?:^|/)(?:incoming/|\.strixkit-)[0-9a-f]{12})[0-9a-f]{52}")


def lines(found: Models, *, verified: bool = False) -> list[str]:
    """Room, a line for each file, what is wrong, what has gone, and what could go. verified: also what is right."""
    total = sum(item.size for item in found.files)
    text = [
        f"{found.host}: {len(found.files)} model file{'' if len(found.files) == 1 else 's'}, {gigabytes(total)}; "
        f"{gigabytes(found.free_bytes)} of {gigabytes(found.total_bytes)} free"
    ]
    rows = [_row(item) for item in found.files] + [_half(item) for item in found.halves]
    if rows:
        text += [f"  {line}" for line in columns([tuple(map(one_line, row)) for row in rows], right=(1,))]
    for item in found.files:
        text += [f"  {_short(item.path)}: {one_line(fault)}" for fault in item.faults]
    if verified:
        text += _verdict(found)
    for path, size in found.removed:
        text.append(f"{found.host}: removed {_short(path)} ({gigabytes(size)})")
    if found.removed:
        text.append(f"{found.host}: {gigabytes(sum(size for _, size in found.removed))} freed")
    if found.prunable:
        freed = gigabytes(sum(size for _, size in found.prunable))
        names = ", ".join(_short(path) for path, _ in found.prunable)
        text.append(f"{found.host}: nothing uses {names}: {freed}")
        text.append(f"  next: invoke models --host {found.host} --prune unused")
    return text


def _verdict(found: Models) -> list[str]:
    """A link is not followed, so it is not counted."""
    bad, count = sum(bool(item.faults) for item in found.files), sum(not item.link for item in found.files)
    unread = [item for item in found.files if item.unread]
    text = [f"{found.host}: {bad} of {count} are not right"] if bad else []
    if unread:
        text.append(f"{found.host}: not read: {', '.join(_short(item.path) for item in unread)}")
        if all(item.path.isprintable() for item in unread):
            text.append(f"  next: invoke models --host {found.host} --verify")
        else:
            text.append("  next: give them names of printable characters on the box, then the same command again")
    return text or [f"{found.host}: {'all of them are right' if count else 'no file to read'}"]


def _short(path: str) -> str:
    """Below strixkit's folder; of a half file, whose name is a sha256, only its first digits."""
    return one_line(HALF.sub(r"\1...", path.removeprefix(STATE)))


def _row(item: Found) -> tuple[str, ...]:
    what = item.known.text if item.known else "not of the catalogue"
    if item.known and item.by == "name":
        what += " by its name"
    checked = str(item.checked["verdict"]) if item.checked else ""
    state = f"{item.state}, {checked}" if checked else item.state
    used = ", ".join(item.used_by) or ("wanted by a service" if item.wanted else "used by nothing")
    return _short(item.path), gigabytes(item.size), what, state, used


def _half(item: Half) -> tuple[str, ...]:
    hours = item.seconds / 3600
    age = (
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    )
    what = item.known.text if item.known else "not of the catalogue"
    last = "under way" if item.running else f"the last byte came {age} ago"
    return _short(item.path), gigabytes(item.size), what, "half", last


def document(found: Models) -> dict[str, Any]:
    """The same as JSON values; sizes in bytes."""
    return {
        "host": found.host,
        "free_bytes": found.free_bytes,
        "total_bytes": found.total_bytes,
        "files": [
            {
                "path": item.path,
                "size": item.size,
                "link": item.link or None,
                "sha256": item.sha256 or None,
                "model": item.known.model if item.known else None,
                "variant": (item.known.variant or None) if item.known else None,
                "known_by": item.by or None,
                "used_by": list(item.used_by),
                "wanted": item.wanted,
                "checked": item.checked,
                "faults": item.faults,
            }
            for item in found.files
        ],
        "halves": [
            {
                "path": item.path,
                "size": item.size,
                "seconds": item.seconds,
                "running": item.running,
                "sha256": item.sha256,
            }
            for item in found.halves
        ],
        "prunable": [{"path": path, "size": size} for path, size in found.prunable],
        "removed": [{"path": path, "size": size} for path, size in found.removed],
    }
