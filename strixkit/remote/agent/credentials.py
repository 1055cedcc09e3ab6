"""API keys on the box: whether a file holds one, and whether a running unit has loaded it. No key is answered here."""

from __future__ import annotations

import os
import re
from typing import Optional

KEY = re.compile(rb"[!-~]+")  # printable ASCII without blanks: what an Authorization header can carry
LIMIT = 65536  # bytes; a longer file holds no key
LOADED = "/run/credentials/%s/api-key"  # where systemd puts LoadCredential=api-key:...


def read(path: str) -> bytes:
    """The file's content, or nothing when it cannot be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read(LIMIT)
    except OSError:
        return b""


def valid(data: bytes) -> bool:
    """Exactly one line with a key, as the server reads it: a blank or a CR would belong to the key."""
    line = data[:-1] if data.endswith(b"\n") else data
    return KEY.fullmatch(line) is not None


def stripped(data: bytes) -> bytes:
    """The key without blanks and line breaks around it; empty when there is not exactly one."""
    line = data.strip()
    return line if KEY.fullmatch(line) else b""


def first_line(path: str) -> Optional[str]:
    """The first line with something in it, or None."""
    lines = read(path).decode("utf-8", "replace").strip().splitlines()
    return lines[0].strip() if lines else None


def loaded(unit: str, path: str) -> Optional[bool]:
    """Whether the running unit was started with the key that is in the file now, or will be there when it is mended.

    None when systemd shows no credential of the unit.
    """
    if not os.path.exists(LOADED % unit):
        return None
    # A file that is no key is replaced by the run that sees this, so the process needs another start in any case.
    data = read(path)
    return valid(data) and data == read(LOADED % unit)
