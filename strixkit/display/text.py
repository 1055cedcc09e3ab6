"""Plain text of changes; pure. What came from a box is cleaned of control characters first."""

from __future__ import annotations

import difflib

from strixkit.resources.base import Change, Risk

SHORT = 72
DIFF_LINES = 40


def clean(text: str) -> str:
    """Return `text` without anything that could steer a terminal; line breaks and tabs stay."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def one_line(text: str) -> str:
    """Clean, and without line breaks: for what must not look like a line of ours."""
    return clean(text).replace("\n", " ")


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"


def change_line(change: Change) -> str:
    """One line: the resource, the field, from -> to, what it interrupts."""
    risk = "" if change.risk is Risk.NONE else f"  [{change.risk}]"
    # The name of a field may come from the manifest on the box: an option of the release before.
    what = f"{one_line(change.resource)}  {one_line(change.field)}"
    if change.text:
        return f"{what}: {'new text' if not change.found else 'text differs'}{risk}"
    return f"{what}: {_short(change.found)} -> {_short(change.wanted)}{risk}"


def diff_lines(change: Change) -> list[str]:
    """A unified diff of a text change, cut to a screenful."""
    found, wanted = clean(change.found).splitlines(), clean(change.wanted).splitlines()
    lines = list(difflib.unified_diff(found, wanted, "found", "wanted", lineterm="", n=1))
    more = len(lines) - DIFF_LINES
    return [*lines[:DIFF_LINES], f"... {more} more lines"] if more > 0 else lines
