"""SHA-256 of large files, recorded by size, modification time and inode: a file is read once, not on each run."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Callable, Dict

from strixkit.remote.agent import paths
from strixkit.remote.agent.atomic import read_json, write_json

CHUNK = 4 << 20


def stamp(path: str) -> str:
    """What tells the file as it is now from any other one at its place: size, modification time, inode."""
    info = os.stat(path)
    return "%d:%d:%d" % (info.st_size, info.st_mtime_ns, info.st_ino)


def recorded(path: str) -> str:
    """Return the recorded hash of the file as it is now, or an empty string."""
    table: Dict[str, Any] = read_json(paths.HASHES) or {}
    row = table.get(path) or {}
    return str(row.get("sha256", "")) if row.get("stamp") == stamp(path) else ""


def compute(path: str, report: Callable[[str], None]) -> str:
    """Read the file once and return its hash, saying every tenth how far it is."""
    digest = hashlib.sha256()
    total = os.path.getsize(path)
    done = tenth = 0
    with open(path, "rb") as handle:
        while True:
            chunk = handle.read(CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)
            done += len(chunk)
            if total > 10 * CHUNK and done * 10 // total > tenth:
                tenth = done * 10 // total
                report("sha256 of %s: %d %%" % (path, tenth * 10))


def record(path: str, sha256: str) -> None:
    """Remember the hash for this exact file."""
    table: Dict[str, Any] = read_json(paths.HASHES) or {}
    table[path] = {"sha256": sha256, "stamp": stamp(path)}
    write_json(paths.HASHES, {name: row for name, row in table.items() if os.path.exists(name)})
