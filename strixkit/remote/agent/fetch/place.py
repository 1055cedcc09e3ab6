"""Putting a fetched file in its place. Its folder belongs to a user that root does not trust: no link is followed."""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import shutil
import stat
from typing import Any, Dict

from strixkit.remote.agent import atomic, hashes
from strixkit.remote.agent.fetch import folder
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.store import DATA, no_room

COPY_BYTES = 4 << 20


def place(step: "Dict[str, Any]", here: str) -> None:
    """Give the data its owner and mode, rename it to its path, record its hash, remove the folder. Raises FetchError.

    The unit serves on from what it has open.
    """
    path, size = str(step["path"]), int(step["size"])
    uid, gid = pwd.getpwnam(str(step["owner"])).pw_uid, grp.getgrnam(str(step["group"])).gr_gid
    data = os.path.join(here, DATA)
    fd = os.open(data, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1 or info.st_size != size:
            raise FetchError("%s is not the file of %d bytes that was fetched" % (data, size))
        # A unit that is killed now and starts again must not begin anew: it finds nothing that is asked for.
        atomic.remove(os.path.join(here, folder.REQUEST))
        os.fchown(fd, uid, gid)
        os.fchmod(fd, int(step["mode"]))
        try:
            os.rename(data, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(fd, step, uid, gid, here)
        else:
            found = os.lstat(path)
            if (found.st_dev, found.st_ino) != (info.st_dev, info.st_ino):
                os.unlink(path)
                raise FetchError("%s was exchanged while it was put in place; thrown away" % path)
    finally:
        os.close(fd)
    atomic.sync_directory(os.path.dirname(path))
    hashes.record(path, str(step["sha256"]))
    shutil.rmtree(here, ignore_errors=True)


def _copy(fd: int, step: "Dict[str, Any]", uid: int, gid: int, here: str) -> None:
    """To another file system: beside its path first, and read on the way."""
    path, digest = str(step["path"]), hashlib.sha256()
    beside = os.path.join(os.path.dirname(path), ".strixkit-%s.copy" % step["sha256"])
    target = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(target, "wb") as handle:
            while True:
                chunk = os.read(fd, COPY_BYTES)
                if not chunk:
                    break
                digest.update(chunk)
                handle.write(chunk)
            handle.flush()
            os.fchown(target, uid, gid)
            os.fchmod(target, int(step["mode"]))
            os.fsync(target)
        if digest.hexdigest() != step["sha256"]:
            shutil.rmtree(here, ignore_errors=True)  # the next run would only copy it again
            raise FetchError("%s was read with another sha256 than it had; thrown away; next: the same command" % path)
        os.rename(beside, path)
    except BaseException as error:
        os.unlink(beside)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise no_room(os.path.dirname(path), int(step["size"])) from error
        raise
