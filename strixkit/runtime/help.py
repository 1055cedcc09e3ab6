"""What a llama-server binary can do, read from its own `--help`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HELP_COLUMN = 40  # help texts start here; continuation lines are blank up to it
ALLOWED = re.compile(r"allowed values: (.*?)(?:\(default|\(env|$)")
CHOICES = re.compile(r"[\[<{]([\w-]+(?:\|[\w-]+)+)[\]>}]|\{([\w-]+(?:,[\w-]+)+)\}")


@dataclass(frozen=True)
class Flag:
    """One entry of the help: all its names, the hint behind them, and the values it lists (empty: any)."""

    names: tuple[str, ...]
    hint: str = ""
    values: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Capabilities:
    """All flags of one binary, by each of their names."""

    flags: Mapping[str, Flag] = field(default_factory=dict)

    def find(self, *names: str) -> str | None:
        """The first of `names` that the binary knows."""
        return next((name for name in names if name in self.flags), None)


def parse_help(text: str) -> Capabilities:
    """Parse the output of `llama-server --help`. Lines that are no flag are passed over."""
    flags: dict[str, Flag] = {}
    for head, body in _entries(text):
        flag = _flag(head, body)
        for name in flag.names:
            flags.setdefault(name, flag)
    return Capabilities(flags)


def from_recorded(recorded: Mapping[str, str]) -> Capabilities:
    """Capabilities from the catalogue's record (canonical option -> spelling), for previews only."""
    return Capabilities({name: Flag((name,)) for name in recorded.values()})


def _entries(text: str) -> list[tuple[str, str]]:
    """Pairs of (names and hint, help text): a new entry starts with `-` in column 0."""
    entries: list[tuple[str, str]] = []
    for line in text.splitlines():
        if re.match(r"-{1,2}[A-Za-z]", line):
            short = line[HELP_COLUMN - 1 : HELP_COLUMN] in (" ", "") and len(line) > HELP_COLUMN
            cut = HELP_COLUMN if short else len(line)
            entries.append((line[:cut].strip(), line[cut:].strip()))
        elif entries and line.startswith(" " * HELP_COLUMN):
            head, body = entries[-1]
            entries[-1] = (head, f"{body} {line.strip()}".strip())
    return entries


def _flag(head: str, body: str) -> Flag:
    names = []
    rest = head
    while match := re.match(r"(--?[A-Za-z][\w-]*)(,\s*)?", rest):
        names.append(match[1])
        rest = rest[match.end() :]
        if not match[2]:
            break
    hint = rest.strip()
    return Flag(tuple(names), hint, _values(hint, body), body)


def _values(hint: str, body: str) -> tuple[str, ...]:
    """The values that the help lists: `[on|off]`, `{a,b}`, a comma list as hint, or `allowed values:`."""
    if found := ALLOWED.search(body):
        return tuple(word.strip() for word in found[1].split(",") if word.strip())
    if found := CHOICES.search(hint):
        return tuple(re.split(r"[|,]", found[1] or found[2]))
    return tuple(hint.split(",")) if re.fullmatch(r"[a-z0-9-]+(,[a-z0-9-]+)+", hint) else ()
