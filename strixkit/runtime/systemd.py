"""Quoting of words for unit files, by the rules of systemd.syntax(7) and systemd.service(5)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from strixkit.errors import InputError

PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+")
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(text: str) -> str:
    if "\0" in text:
        raise InputError("a NUL character cannot stand in a unit file")
    parts = []
    for char in text:
        if char in ESCAPES:
            parts.append(ESCAPES[char])
        elif ord(char) < 0x20 or ord(char) == 0x7F:
            parts.append(f"\\x{ord(char):02x}")
        else:
            parts.append(char)
    return "".join(parts)


def quote(word: str, *, specifiers: bool = False) -> str:
    """One word of an ExecStart= line. `specifiers`: `%d` and its like keep their meaning. Raises InputError for NUL."""
    escaped = _escape(word).replace("$", "$$")
    if not specifiers:
        escaped = escaped.replace("%", "%%")
    return escaped if PLAIN.fullmatch(word) or specifiers else f'"{escaped}"'


def exec_line(argv: Iterable[str], raw: Collection[str] = frozenset()) -> str:
    """The value of ExecStart=; words in `raw` keep their specifiers."""
    return " ".join(quote(word, specifiers=word in raw) for word in argv)


def environment_line(name: str, value: str) -> str:
    """The value of Environment= for one variable; `$` has no meaning there, `%` has."""
    return '"' + _escape(f"{name}={value}").replace("%", "%%") + '"'
