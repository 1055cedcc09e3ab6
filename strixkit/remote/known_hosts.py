"""known_hosts as `ssh` reads it: patterns, hashed names, markers; a line that cannot be read counts for nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from strixkit.errors import ConnectError

HASHED = "|1|"
REVOKED = "@revoked"


@dataclass(frozen=True)
class Entry:
    """One line: for which names, and which key. `marker` is empty, `@revoked` or `@cert-authority`."""

    marker: str
    names: str
    kind: str
    key: bytes


def parse(line: str) -> Entry | None:
    """Return the entry of a line, None for comments and for lines that cannot be read."""
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    names, kind, text = words[:3]
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # The key says itself of which kind it is; ssh skips a line whose word before the key says otherwise.
    return Entry(marker, names, kind, key) if key[4 : 4 + len(kind)] == kind.encode() else None


def matches(names: str, host: str) -> bool:
    """Whether the names of a line are meant for `host`: a hashed name, or patterns with `*`, `?` and `!`."""
    if names.startswith(HASHED):
        return _matches_hashed(names, host)
    found = False
    for pattern in names.lower().split(","):
        if re.fullmatch(_expression(pattern.removeprefix("!")), host):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _expression(pattern: str) -> str:
    # fnmatch would take the brackets of `[host]:port` for a set of characters.
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def _matches_hashed(names: str, host: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in names.removeprefix(HASHED).split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(digest, _digest(salt, host))


def _digest(salt: bytes, host: str) -> bytes:
    return hmac.new(salt, host.encode(), hashlib.sha1).digest()


def hashed(host: str) -> str:
    """`host` as `HashKnownHosts yes` writes it."""
    salt = os.urandom(20)
    return HASHED + "|".join(base64.b64encode(part).decode() for part in (salt, _digest(salt, host)))


def entries(files: Iterable[Path], host: str) -> list[Entry]:
    """Every entry for `host` in the files, in their order; files that cannot be read are left out, as ssh does."""
    found = (parse(line) for path in files for line in _read(path).split("\n"))
    return [entry for entry in found if entry is not None and matches(entry.names, host)]


def _read(path: Path) -> str:
    try:
        # surrogateescape: what is not text stays as it is when the file is written again.
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def add(path: Path, names: str, kind: str, key: bytes) -> None:
    """Add a line. Raises ConnectError if the file cannot be written."""
    text = _read(path)
    newline = "\n" if text and not text.endswith("\n") else ""
    _write(path, f"{text}{newline}{names} {kind} {base64.b64encode(key).decode()}\n")


def take_out(path: Path, host: str) -> None:
    """Take out the keys of `host`. Lines that name others too lose that name; wildcards and markers stay."""
    text = _read(path)
    lines = (_without(line, host) for line in text.split("\n"))
    kept = "\n".join(line for line in lines if line is not None)
    if kept != text:
        _write(path, kept)


def _without(line: str, host: str) -> str | None:
    entry = parse(line)
    if entry is None or entry.marker or not matches(entry.names, host):
        return line
    if entry.names.startswith(HASHED):
        return None
    others = [name for name in entry.names.split(",") if name.lower() != host]
    return line.replace(entry.names, ",".join(others), 1) if others else None


def _write(path: Path, text: str) -> None:
    path = path.resolve()  # a symlink stays one
    if path.exists() and not path.is_file():
        raise ConnectError(f"known_hosts file {path}: found something that is no file, wanted a file to add a key to")
    temporary = path.with_name(path.name + ".strixkit")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o600
        temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
        temporary.chmod(mode)
        temporary.rename(path)
    except OSError as error:
        raise ConnectError(f"known_hosts file {path} cannot be written: {error.strerror or error}") from error
