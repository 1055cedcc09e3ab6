"""Where a file is fetched, and by whom. The folder is the fetching user's: root trusts nothing in it but the result."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import Any, Dict

from strixkit.remote.agent import account as accounts
from strixkit.remote.agent import paths
from strixkit.remote.agent.account import Account
from strixkit.remote.agent.fetch.errors import FetchError

USER = "strixkit-fetch"
SHA256 = re.compile(r"[0-9a-f]{64}")
REQUEST, STATUS, DONE, PROGRAM = "request.json", "status.json", "done.json", "agent.pyz"
JSON_BYTES = 4 << 20


def account() -> Account:
    """The user that fetches. Raises FetchError when there is no such user, or when it is root."""
    return accounts.account(USER, "files are fetched", "nothing is fetched as root", FetchError)


def of(sha256: object) -> str:
    """The folder of a file. Raises FetchError for what is no hash."""
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise FetchError("%r is no sha256" % (sha256,))
    return os.path.join(paths.INCOMING, sha256)


def prepare(sha256: object) -> str:
    """Make the folder as far as it is missing. Raises FetchError, OSError."""
    folder, user = of(sha256), account()
    for above in (paths.STATE, paths.INCOMING):
        os.makedirs(above, mode=0o755, exist_ok=True)
        mode = stat.S_IMODE(os.stat(above).st_mode)
        if mode & 0o011 != 0o011:  # the user has to get through
            os.chmod(above, mode | 0o011)
    if not os.path.lexists(folder):
        os.mkdir(folder, 0o700)
    fd = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        os.fchown(fd, user.uid, user.gid)
        os.fchmod(fd, 0o700)
    finally:
        os.close(fd)
    return folder


def read(folder: str, name: str) -> "Dict[str, Any]":
    """One of the JSON objects in the folder; empty when there is none. What another user made is not followed."""
    try:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return {}
    with os.fdopen(fd, "rb") as handle:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > JSON_BYTES:
            return {}
        try:
            value = json.loads(handle.read(JSON_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
