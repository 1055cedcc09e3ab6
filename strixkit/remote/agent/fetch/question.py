"""What lies on the box of files that are fetched. Read-only, and asked before any of it may exist."""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, Set

from strixkit.remote.agent import hashes, paths
from strixkit.remote.agent.fetch import addresses, folder, pieces, store, unit

Answer = Dict[str, Any]
# Of an answer to `download`: what changes by itself between a plan and its job, and is no reason to plan again.
PASSING = ("have_bytes", "running", "free_bytes", "lacks_bytes", "unused")


def download(question: "Dict[str, Any]") -> Answer:
    """What is at `path`, with its recorded hash, and how much of the file of `sha256` and `size` bytes was fetched.

    unused: where room lacks, path and bytes of what no release uses.
    """
    path, here, size = str(question["path"]), folder.of(question["sha256"]), int(question["size"])
    answer: Answer = {"exists": False, "type": "", "size": 0, "sha256": ""}
    if os.path.lexists(path):
        answer.update(exists=True, **described(path))
    have = pieces.total(recorded(here, size), size)
    running = os.path.isdir(here) and unit.at_work(os.path.basename(here))
    free = store.free_bytes(paths.INCOMING)
    lacks = max(0, size - allocated(here) - free)
    if lacks:
        from strixkit.remote.agent import models

        answer["unused"] = models.unused(path)
    return dict(answer, have_bytes=have, running=running, free_bytes=free, lacks_bytes=lacks)


def allocated(here: str) -> int:
    """Bytes of the disk that the data has already: all of them, from the start of a fetch on."""
    try:
        return os.lstat(os.path.join(here, store.DATA)).st_blocks * 512
    except OSError:
        return 0


def described(path: str) -> Answer:
    """Type of what lies at a path, and of a file its size and recorded hash; of a link to nowhere whose it is."""
    from strixkit.remote.agent import observe

    try:
        info = os.stat(path)
    except OSError:
        return observe.path({"path": path})
    kind = next((name for check, name in observe.TYPES if check(info.st_mode)), "device")
    return {"type": kind, "size": info.st_size, "sha256": hashes.recorded(path) if kind == "file" else ""}


def recorded(here: str, size: int) -> "Set[int]":
    """The pieces that the record of a folder names."""
    path = os.path.join(here, store.RECORD)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return set()
        return {index for index in pieces.load(path) if index < pieces.count(size)}
    except OSError:
        return set()


def swarm(request: "Dict[str, Any]") -> Answer:
    """Addresses of the box on the LAN, and of each file what is there and what is being fetched."""
    return {
        "addresses": addresses.addresses(),
        "files": [_file(str(one["path"]), one["sha256"], int(one["size"])) for one in request["files"]],
        "free_bytes": store.free_bytes(paths.INCOMING),
    }


def _file(path: str, sha256: str, size: int) -> Answer:
    here = folder.of(sha256)
    complete = os.path.isfile(path) and os.path.getsize(path) == size and hashes.recorded(path) == sha256
    running = os.path.isdir(here) and unit.at_work(sha256)
    assigned = str(folder.read(here, folder.REQUEST).get("pieces", "")) if running else ""
    have = pieces.text(recorded(here, size))
    state = {"complete": complete, "pieces": have, "assigned": assigned, "running": running}
    return {"path": path, "sha256": sha256, **state}
