"""The journal of a box as lines."""

from __future__ import annotations

from typing import Any

from strixkit.display.text import one_line


def lines(entries: list[dict[str, Any]]) -> list[str]:
    """One line an entry: when, who, what, the outcome."""
    return [one_line(f"{entry.get('at', '?')}  {_words(entry)}") for entry in entries] or ["the journal is empty"]


def _findings(entry: dict[str, Any]) -> str:
    """What was not as planned and no failure, or not known."""
    checks = entry.get("checks")
    found = [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []
    return "".join(f"; {check.get('text')}" for check in found if check.get("ok") is None)


def _words(entry: dict[str, Any]) -> str:
    event = entry.get("event")
    if event == "gated":
        return f"release {entry.get('release')} of {entry.get('service')} passed the gate{_findings(entry)}"
    if event == "reboot":
        return f"reboots for {entry.get('why')}, by {entry.get('who')}'s {entry.get('what')}"
    if event == "begin":
        count = len(entry.get("changes", []))
        return f"{entry.get('who')} began {entry.get('what')}: {count} change{'' if count == 1 else 's'}"
    if event == "end" and entry.get("ok"):
        return f"{entry.get('who')} ended {entry.get('what')}: done"
    return f"{entry.get('who')} ended {entry.get('what')}: FAILED: {entry.get('error', '')}"
