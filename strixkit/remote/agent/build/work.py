"""Where a build is made, by whom, and what is remembered of it between runs.

The user `strixkit-build` owns sources, build folders and caches. The folder of a build itself, its log and its state
are root's: systemd opens the log as root, and root reads both.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any, Dict, NamedTuple, Sequence

from strixkit.remote.agent import account as accounts
from strixkit.remote.agent import atomic, paths
from strixkit.remote.agent.account import Account
from strixkit.remote.agent.build import folders
from strixkit.remote.agent.build.errors import BuildError

USER = "strixkit-build"
MIRRORS = paths.BUILD_CACHE + "/mirrors"
WORK = paths.BUILD_CACHE + "/work"
CCACHE = paths.BUILD_CACHE + "/ccache"

Spec = Dict[str, Any]
# boot, synced (seconds since 1970), source, configured (False: it failed), jobs, most_jobs, seconds
State = Dict[str, Any]


class Work(NamedTuple):
    """The paths of one build."""

    folder: str
    source: str
    build: str
    log: str
    state: str


def account() -> Account:
    """The user that builds. Raises BuildError when there is no such user, or when it is root."""
    return accounts.account(USER, "sources are built", "nothing of a source runs as root", BuildError)


def of(spec: Spec) -> Work:
    """The paths of a build. Raises BuildError for what is no id."""
    folder = os.path.join(WORK, folders.checked(spec["id"]))
    names = ("source", "build", "build.log", "state.json")
    return Work(folder, *(os.path.join(folder, name) for name in names))


def unit(spec: Spec) -> str:
    """The transient unit in which all of a build runs, one command at a time."""
    return "strixkit-build-%s.service" % folders.checked(spec["id"])


def mirror(url: str) -> str:
    """The folder of a repository on this box."""
    return os.path.join(MIRRORS, hashlib.sha256(url.encode()).hexdigest()[:16] + ".git")


def prepare(spec: Spec) -> Work:
    """Make the folders as far as they are missing; returns the paths of the build. Raises BuildError, OSError."""
    user, work = account(), of(spec)
    root = Account(0, 0)
    os.makedirs(os.path.dirname(paths.BUILD_CACHE), mode=0o755, exist_ok=True)
    owners = {paths.BUILD_CACHE: user, MIRRORS: user, CCACHE: user, WORK: root, work.folder: root}
    for path, owner in owners.items():
        make(path, owner)
    return work


def make(path: str, owner: Account) -> None:
    """Make a folder, or give an existing one its owner. What lies there instead is not followed: raises BuildError."""
    if not os.path.lexists(path):
        os.mkdir(path, 0o700)
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            raise BuildError("%s is no folder" % path)
        os.fchown(fd, owner.uid, owner.gid)
        os.fchmod(fd, 0o755)
    finally:
        os.close(fd)


def free_mib(folder: str) -> int:
    """MiB that are free for files in a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >> 20


def no_room(folder: str, lines: "Sequence[str]" = ()) -> BuildError:
    """The error for a disk that is full."""
    text = "no space left on %s (%d MiB are free); next: make room there, then the same command goes on"
    return BuildError(text % (folder, free_mib(folder)), lines)


def read_state(work: Work) -> State:
    """What is remembered of the build; empty at first, and when it was lost."""
    state = atomic.read_json(work.state)
    return state if isinstance(state, dict) else {}


def remember(work: Work, **values: Any) -> None:
    """Change what is remembered; it survives a power cut. Raises OSError, for example ENOSPC."""
    atomic.write_json(work.state, dict(read_state(work), **values), 0o644)
