"""The properties that keep a server from the rest of the machine: of its unit, and of whatever is run in its place."""

from __future__ import annotations

from strixkit.config.directories import PROJECT

GROUPS = "SupplementaryGroups=render video"  # as in the unit, beside its user
FILE = PROJECT / "systemd" / "sandbox.conf"


def sandbox() -> list[str]:
    """One property for each line, e.g. ProtectSystem=strict."""
    lines = [line.strip() for line in FILE.read_text().splitlines()]
    return [GROUPS, *(line for line in lines if line and not line.startswith("#"))]
