"""Writing files so that a reader, and a power cut, sees the old content or the new one and nothing between."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import Any, Optional


def sync_directory(path: str) -> None:
    """Make a rename inside `path` survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path: str, data: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
    """Write `data` to `path`: temporary file beside it, owner and mode, fsync, rename.

    Raises OSError (for example ENOSPC); the old file is then as it was.
    """
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, ".strixkit-%d-%s" % (os.getpid(), os.urandom(4).hex()))
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as handle:
            os.fchown(handle.fileno(), uid, gid)
            os.fchmod(handle.fileno(), mode)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(folder)


def rewrite(path: str, data: bytes) -> None:
    """Give a file that is there new content in one rename: owner and mode stay, and so does a link to it."""
    real = os.path.realpath(path)
    info = os.stat(real)
    write(real, data, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)


def remove(path: str) -> None:
    """Take a file away so that it stays away after a power cut; one that is not there is no error."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(os.path.dirname(path))


def link(path: str, target: str) -> None:
    """Make `path` a symbolic link to `target`, replacing a link or file in one rename."""
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, ".strixkit-link-%d" % os.getpid())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, path)
    sync_directory(folder)


def write_json(path: str, value: Any, mode: int = 0o600) -> None:
    """Write `value` as JSON, atomically; the folder is made (0700) when missing."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write(path, json.dumps(value, sort_keys=True).encode() + b"\n", mode)


def read_json(path: str) -> Optional[Any]:
    """Return the JSON value in `path`, or None when it is missing or was never finished."""
    try:
        with open(path, "rb") as handle:
            return json.loads(handle.read())
    except (OSError, ValueError):
        return None


def read_text(path: str, limit: int = 65536) -> Optional[str]:
    """Return up to `limit` bytes of a text file without its last newline, or None when it cannot be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read(limit).decode("utf-8", "replace").rstrip("\n")
    except OSError:
        return None
