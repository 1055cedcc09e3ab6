"""What the controller remembers of files: help texts, GGUF headers, hashes. Losing it costs time only."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

CHUNK = 1 << 22
MAX_FILES = 200


def folder() -> Path:
    """The user's cache folder of strixkit."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "strixkit"


def _path(identity: str) -> Path:
    return folder() / "answers" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def get(identity: str) -> dict[str, Any] | None:
    """Return what was remembered under an identity, or None."""
    try:
        stored = json.loads(_path(identity).read_text())
    except (OSError, ValueError):
        return None
    return stored["value"] if isinstance(stored, dict) and stored.get("identity") == identity else None


def put(identity: str, value: dict[str, Any]) -> None:
    """Remember a value; a full disk or a read-only home is no error."""
    path = _path(identity)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"identity": identity, "value": value}))
        temporary.rename(path)
    except OSError:
        return


def identities() -> list[str]:
    """All identities that are remembered, so that the box need not send these answers again."""
    found = []
    try:
        paths = sorted((folder() / "answers").glob("*.json"), key=lambda item: item.stat().st_mtime)[-MAX_FILES:]
    except OSError:
        return []
    for path in paths:
        try:
            with path.open() as handle:
                head = handle.read(4096)
            found.append(json.loads(head[len('{"identity": ') : head.index(', "value"')]))
        except (OSError, ValueError):
            continue
    return found


def sha256(path: Path) -> str:
    """SHA-256 of a local file; read once for each size, modification time and inode."""
    info = path.stat()
    identity = f"sha256:{path.resolve()}:{info.st_size}:{info.st_mtime_ns}:{info.st_ino}"
    known = get(identity)
    if known is not None:
        return str(known["sha256"])
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    put(identity, {"sha256": digest.hexdigest()})
    return digest.hexdigest()
