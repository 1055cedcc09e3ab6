"""A YAML document as plain values, with the place of every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from strixkit.errors import InputError

Key = tuple[str | int, ...]


class Position(NamedTuple):
    """A place in a file; line and column count from 1."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.line}"


def shown(path: Path) -> str:
    """The path as a person would type it here: relative if it lies below the current directory."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


@dataclass(frozen=True)
class Document:
    """`values` is plain data (str, int, float, bool, None, list, dict with str keys) of one or more files.

    subject: whom the values belong to, as in "host strix01"; errors name it.
    """

    path: Path
    values: dict[str, Any]
    positions: Mapping[Key, Position]
    subject: str = ""

    def where(self, key: Key) -> Position:
        """The place of a key, or of the nearest key above it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.positions:
                return self.positions[key[:length]]
        return Position(self.path, 1, 1)

    def error(self, key: Key, message: str, *, hint: str | None = None) -> InputError:
        """An error at a key, see `fault`."""
        return InputError(self.fault(key, message), hint=hint)

    def fault(self, key: Key, message: str) -> str:
        """`file:line: subject: key.path: message`."""
        return ": ".join(part for part in (str(self.where(key)), self.subject, dotted(key), message) if part)

    def without(self, name: str) -> Document:
        """The same without a key of the top level."""
        values = {key: value for key, value in self.values.items() if key != name}
        positions = {key: place for key, place in self.positions.items() if key[:1] != (name,)}
        return replace(self, values=values, positions=positions)


def dotted(key: Key) -> str:
    """`server.port`, `kv.types[1]`; a part that holds a dot is quoted."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (repr(part) if "." in part else part)
    return text


def merged(base: Document, over: Document) -> Document:
    """`over` laid on `base`: mappings are merged key by key, everything else is replaced."""
    positions = dict(base.positions)
    values = _merged(base.values, over.values, (), positions)
    return Document(over.path, values, {**positions, **over.positions})


def _merged(base: dict[str, Any], over: dict[str, Any], at: Key, positions: dict[Key, Position]) -> dict[str, Any]:
    result = dict(base)
    for name, value in over.items():
        key = (*at, name)
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            result[name] = _merged(base[name], value, key, positions)
            continue
        for gone in [other for other in positions if other[: len(key)] == key]:
            del positions[gone]
        result[name] = value
    return result
