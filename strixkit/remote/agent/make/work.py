"""Where a file is made, by whom, and what is remembered meanwhile.

The folder of one is root's, and so is its log: the tool writes to `out` in it and nowhere else.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import stat
from typing import Any, Dict, NamedTuple

from strixkit.remote.agent import atomic, paths
from strixkit.remote.agent.account import account
from strixkit.remote.agent.make.errors import MakeError

KEY = re.compile(r"[0-9a-f]{64}")
PREFIX = ".making-"
PROVENANCE, LOG = ".provenance.json", ".log"
BEGUN = "begun.json"
CACHE = "strixkit/make"  # below /var/cache: the shaders that Vulkan compiles

Spec = Dict[str, Any]


class Work(NamedTuple):
    """Paths. out: where the tool writes. result: what it has made, root's from then on.

    begun: when it began and of which files, as JSON. ran: how it ran.
    """

    folder: str
    out: str
    result: str
    log: str
    begun: str
    ran: str


def of(spec: Spec) -> Work:
    """The paths of a file that is being made. Raises MakeError for what could be another path."""
    key, name = str(spec["key"]), os.path.basename(str(spec["path"]))
    if not KEY.fullmatch(key) or os.path.dirname(str(spec["path"])) != paths.MADE or name.startswith("."):
        raise MakeError("%s is no file that is made here" % spec["path"])
    folder = os.path.join(paths.MADE, PREFIX + key[:16])
    return Work(
        folder,
        os.path.join(folder, "out"),
        *(os.path.join(folder, end) for end in (name, "log", BEGUN, "ran.json")),
    )


def now() -> str:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def unit(key: str) -> str:
    """The transient unit in which the tool runs."""
    return "strixkit-make-%s.service" % key[:16]


def prepare(spec: Spec) -> Work:
    """Make the folders, and take away those of files that are not made any more. Raises MakeError, OSError."""
    here = of(spec)
    for name in os.listdir(paths.MADE):
        if name.startswith(PREFIX) and name != os.path.basename(here.folder):
            shutil.rmtree(os.path.join(paths.MADE, name))
    os.makedirs(here.folder, mode=0o755, exist_ok=True)
    os.chmod(here.folder, 0o755)  # whatever the umask: the tool has to get through
    return here


def empty_out(here: Work, user: str) -> None:
    """An empty folder of the user that the tool runs as."""
    owner = account(user, "tools run", "no tool runs as root", MakeError)
    shutil.rmtree(here.out, ignore_errors=True)
    os.mkdir(here.out, 0o700)
    os.chown(here.out, owner.uid, owner.gid)


def take(here: Work) -> None:
    """Make the tool's file root's. A link, or a file with other names, is not taken. Raises MakeError."""
    path = os.path.join(here.out, os.path.basename(here.result))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise MakeError("the tool has made no file: %s" % error) from None
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            raise MakeError("what the tool has made is no file of its own")
        os.rename(path, here.result)
        os.fchown(fd, 0, 0)
        os.fchmod(fd, 0o644)
        os.fsync(fd)
    finally:
        os.close(fd)
    shutil.rmtree(here.out, ignore_errors=True)


def free_bytes(path: str) -> int:
    """Bytes that are free for files at a path, or above it while it is not there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def provenance(path: str) -> "Dict[str, Any]":
    """What is recorded of a made file; empty where nothing is, or where it is of another file that was there."""
    from strixkit.remote.agent import hashes

    record = atomic.read_json(path + PROVENANCE)
    try:
        whole = isinstance(record, dict) and bool(record.get("sha256")) and hashes.recorded(path) == record["sha256"]
    except OSError:
        return {}
    return dict(record) if whole and isinstance(record, dict) else {}
