"""Where a file lies, from what a person types: FILE, URL or HOST:PATH."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from strixkit.errors import InputError

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
ON_BOX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*):(.*)", re.DOTALL)
WANTED = "a file, a URL of http or https, or HOST:PATH with a host of the inventory"


@dataclass(frozen=True)
class Place:
    """`path` is a local path, the whole URL, or an absolute path on the box `host`."""

    kind: Literal["local", "url", "box"]
    path: str
    host: str = ""


def place_of(text: str) -> Place:
    """The place. A file that is here is taken first, whatever its name looks like. Raises InputError."""
    if "\0" in text or not text.strip():
        raise InputError(f"found {text!r}, wanted {WANTED}")
    local = Path(text).expanduser()
    if _exists(local):
        return Place("local", str(local))
    if scheme := SCHEME.match(text):
        return _url(text, scheme[1].lower())
    if on_box := ON_BOX.fullmatch(text):
        host, path = on_box[1], on_box[2]
        if not path.startswith("/"):
            raise InputError(f"found {path!r} as the path on {host}, wanted an absolute one", hint=f"{host}:/...")
        return Place("box", path, host)
    return Place("local", str(local))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for a file
        return False


def _url(text: str, scheme: str) -> Place:
    if scheme not in ("http", "https"):
        raise InputError(f"URLs of {scheme} are not read, wanted http or https")
    try:
        parts = urlsplit(text)
        has_host, has_user = bool(parts.hostname), parts.username is not None
        _ = parts.port
    except ValueError as error:
        raise InputError(f"not a URL: {error}") from error
    if not has_host:
        raise InputError("the URL names no host")
    if has_user:
        # Not shown: it holds a password.
        raise InputError("a user in a URL is not supported: it would end in logs", hint="download the file first")
    if not text.isascii() or any(char.isspace() or not char.isprintable() for char in text):
        raise InputError("the URL has characters that must be percent-encoded in it")
    return Place("url", text)
