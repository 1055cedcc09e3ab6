"""What lies on the box of files that are made. Read-only, and asked before any of it may exist."""

from __future__ import annotations

import os
from typing import Any, Dict, List

from strixkit.remote.agent import detached, paths
from strixkit.remote.agent.fetch import folder
from strixkit.remote.agent.fetch import question as fetches
from strixkit.remote.agent.make import work

Answer = Dict[str, Any]
# What changes by itself between a plan and its job, and is no reason to plan again.
PASSING = ("running", "free_bytes", "lacks_bytes")
MOST = 1000  # files that are told of


def product(question: "Dict[str, Any]") -> Answer:
    """Whether the file of this key is there, is being made, and whether all that is still to come has room.

    bytes: of the file at most. needs: [path, bytes, sha256] of every file that there must be before it.
    """
    path, key = str(question["path"]), str(question["key"])
    answer: Answer = {"exists": False, "type": "", "key": "", "running": False}
    if os.path.lexists(path):
        answer.update(exists=True, **fetches.described(path))
    record = work.provenance(path)
    there = record.get("key") == key
    if not there:
        answer["running"] = detached.running(work.unit(key))
    free = work.free_bytes(paths.MADE)
    needs = sum(_missing(str(other), int(size), str(sha256)) for other, size, sha256 in question["needs"])
    lacks = 0 if there else max(0, needs + int(question["bytes"]) - _begun(key) - free)
    return dict(answer, key=str(record.get("key", "")), free_bytes=free, lacks_bytes=lacks)


def _missing(path: str, size: int, sha256: str) -> int:
    """Bytes that a file will still take; of one that is being fetched, what it does not take already."""
    if os.path.exists(path):
        return 0
    return max(0, size - (fetches.allocated(folder.of(sha256)) if sha256 else 0))


def _begun(key: str) -> int:
    """Bytes that the file which is being made has already."""
    folder = os.path.join(paths.MADE, work.PREFIX + key[:16])
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(above, name)).st_size
            except OSError:
                continue
    return total


def made(request: "Dict[str, Any]") -> "List[Dict[str, Any]]":
    """The provenance of each of the files at `paths` that is as it was made."""
    found = [work.provenance(str(path)) for path in list(request["paths"])[:MOST]]
    return [record for record in found if record]
