"""What strixkit changes of files that are not its own is kept first: /var/lib/strixkit/backup/<path>.<number>."""

from __future__ import annotations

import os
from typing import List

from strixkit.remote.agent import atomic, paths


def keep(path: str) -> str:
    """Copy the file as it is now, with its owner and mode; returns where the copy lies.

    A content that was kept already gets no second copy, so a step that was cut off and runs again adds none.
    Returns an empty text where there is no file. Raises OSError; nothing may be changed then.
    """
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as handle:
        data = handle.read()
        info = os.fstat(handle.fileno())
    copies = kept(path)
    for copy in copies:
        with open(copy, "rb") as handle:
            if handle.read() == data:
                return copy
    copy = "%s.%d" % (_beginning(path), len(copies) + 1)
    os.makedirs(os.path.dirname(copy), mode=0o700, exist_ok=True)
    atomic.write(copy, data, info.st_mode & 0o7777, info.st_uid, info.st_gid)
    return copy


def kept(path: str) -> List[str]:
    """The copies of a file, the oldest first."""
    beginning = _beginning(path)
    found: List[str] = []
    while os.path.exists("%s.%d" % (beginning, len(found) + 1)):
        found.append("%s.%d" % (beginning, len(found) + 1))
    return found


def _beginning(path: str) -> str:
    return paths.BACKUP + os.path.abspath(path)
