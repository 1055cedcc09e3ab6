"""The lock of the box: held by the running job, or by a session that sends files before its job.

Both are flocks of a process, so that none can be left behind; a limit in time ends the process.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import Any, Dict, Optional

from strixkit.remote.agent import atomic, journal, paths

LIMIT_SECONDS = 4 * 3600
GRACE_SECONDS = 2
REQUEST = paths.RUN + "/job.json"
ALIVE = paths.RUN + "/job.lock"  # locked while the job runs
WATCHED = paths.RUN + "/watch.lock"  # locked while a session watches it
START = paths.RUN + "/start.lock"  # locked for moments, while a session takes one of the others
CLAIM = paths.RUN + "/claim.lock"  # locked by a session that sends files before its job
CLAIMED = paths.RUN + "/claim.json"
SILENCE_SECONDS = 30  # the controller answers each `alive` of the agent, which comes every 10 s
_claim: Optional[int] = None  # this session's own claim
_watch: Optional[int] = None  # this session's own watch
_heard = time.monotonic()


def take(path: str, kind: int = fcntl.LOCK_EX) -> Optional[int]:
    """Lock a file without waiting; returns its descriptor, or None when somebody else has it."""
    os.makedirs(paths.RUN, mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def is_locked(path: str) -> bool:
    """Whether some process has the lock."""
    if not os.path.exists(path):
        return False
    fd = take(path, fcntl.LOCK_SH)
    if fd is None:
        return True
    os.close(fd)
    return False


def state() -> Optional[Dict[str, Any]]:
    """Who works on this box: owner, since, what for, expiry, and whether somebody watches; None when nobody does."""
    if os.geteuid() != 0:
        return None
    if is_locked(ALIVE):
        request = atomic.read_json(REQUEST) or {}
        return dict(request.get("lock", {}), watched=_stays_locked(WATCHED))
    if _claim is None and is_locked(CLAIM) and _stays_locked(CLAIM):
        return dict(atomic.read_json(CLAIMED) or {}, watched=True)
    return None


def _stays_locked(path: str) -> bool:
    """Whether a session's lock is there for longer than a session takes to notice that its controller has gone."""
    end = time.monotonic() + GRACE_SECONDS
    while is_locked(path):
        if time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


def describe(request: Dict[str, Any]) -> Dict[str, Any]:
    """Owner, since when, what for, until when at the latest."""
    expires = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + LIMIT_SECONDS))
    return {"owner": request["who"], "since": journal.now(), "what": request["what"], "expires": expires}


def claim(request: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Lock the box for this session, which ends with its process; returns None, or the lock of another run."""
    global _claim  # noqa: PLW0603  the process is the session
    if _claim is not None:
        return None
    starting = wait(START)
    try:
        running = state()
        if running is not None:
            return running
        _claim = wait(CLAIM)
    finally:
        if starting is not None:
            os.close(starting)
    if _claim is None:
        return dict(atomic.read_json(CLAIMED) or {}, watched=True)
    atomic.write_json(CLAIMED, describe(request))
    expiry = threading.Timer(LIMIT_SECONDS, os._exit, [75])
    expiry.daemon = True
    expiry.start()
    return None


def watch() -> None:
    """Say that this session watches the job; nothing happens if another one says so already."""
    global _watch  # noqa: PLW0603  the process is the session
    if _watch is None:
        _watch = wait(WATCHED)


def unwatch() -> None:
    """Watch no longer."""
    global _watch  # noqa: PLW0603
    if _watch is not None:
        os.close(_watch)
        _watch = None


def is_ours() -> bool:
    """Whether this session holds a lock, so that others wait for it."""
    return _claim is not None or _watch is not None


def heard() -> None:
    """Something came from the controller."""
    global _heard  # noqa: PLW0603
    _heard = time.monotonic()


def silent() -> bool:
    """Whether nothing came for so long that the controller must be gone; its connection may not show it for 15 min."""
    return time.monotonic() - _heard > SILENCE_SECONDS


def wait(path: str) -> Optional[int]:
    """Lock a file; others hold it for moments when they ask whether it is locked."""
    for _ in range(100):
        fd = take(path)
        if fd is not None:
            return fd
        time.sleep(0.02)
    return None


def wait_until_free(path: str, seconds: float = 10) -> None:
    """Wait until nobody has the lock: a job that has said its last word is about to end."""
    end = time.monotonic() + seconds
    while is_locked(path) and time.monotonic() < end:
        time.sleep(0.01)
