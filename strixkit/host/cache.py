"""What the controller remembers of files: help texts, GGUF headers, hashes. Losing it costs time only.

A key is `kind:owner:rest`. What a box has answered is kept under the box's own name, since it may claim what it
likes: `runtime:HOST:...` and `model:HOST:...`; what this machine has found itself, under `local:`.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal, get_args

CHUNK = 1 << 22
MAX_FILES = 200
Kind = Literal["runtime", "model"]
KINDS = get_args(Kind)


def folder() -> Path:
    """The user's cache folder of strixkit."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "strixkit"


def box_key(kind: Kind, host: str, identity: str) -> str:
    """The key of what a box has answered of a file that it calls `identity`."""
    return f"{kind}:{host}:{identity}"


def _path(key: str) -> Path:
    kind, owner, _ = key.split(":", 2)
    return folder() / "answers" / f"{kind}-{owner}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def get(key: str) -> dict[str, Any] | None:
    """Return what was remembered under a key, or None."""
    try:
        stored = json.loads(_path(key).read_text())
    except (OSError, ValueError):
        return None
    return stored["value"] if isinstance(stored, dict) and stored.get("key") == key else None


def put(key: str, value: dict[str, Any]) -> None:
    """Remember a value; a full disk or a read-only home is no error."""
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"key": key, "value": value}))
        temporary.rename(path)
    except OSError:
        return


def forget(key: str) -> None:
    """Remove what was remembered under a key."""
    _path(key).unlink(missing_ok=True)


def known(host: str) -> list[str]:
    """The identities of one box that are remembered, so that it need not send these answers again."""
    return [key.removeprefix(prefix) for kind in KINDS for prefix in [f"{kind}:{host}:"] for key in _keys(kind, prefix)]


def _keys(kind: str, prefix: str) -> list[str]:
    host = prefix.split(":")[1]
    try:
        # Another host's name may begin like this one's: the key inside decides.
        paths = sorted((folder() / "answers").glob(f"{kind}-{host}-*.json"), key=lambda item: item.stat().st_mtime)
    except OSError:
        return []
    return [key for path in paths[-MAX_FILES:] if (key := _key(path)).startswith(prefix)]


def _key(path: Path) -> str:
    """The key at the head of a file; the value behind it may be long."""
    try:
        with path.open() as handle:
            head = handle.read(4096)
        return str(json.loads(head[len('{"key": ') : head.index(', "value"')]))
    except (OSError, ValueError):
        return ""


def sha256(path: Path) -> str:
    """SHA-256 of a local file; read once for each size, modification time and inode."""
    info = path.stat()
    key = f"local:sha256:{path.resolve()}:{info.st_size}:{info.st_mtime_ns}:{info.st_ino}"
    found = get(key)
    if found is not None:
        return str(found["sha256"])
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    put(key, {"sha256": digest.hexdigest()})
    return digest.hexdigest()
