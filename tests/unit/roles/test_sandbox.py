"""What is run in the place of a server has what the server's unit has."""

from __future__ import annotations

from roles.server.role import UNIT
from strixkit.host.sandbox import FILE, sandbox


def test_the_groups_are_the_unit_s() -> None:
    lines = [*UNIT.read_text().splitlines(), *FILE.read_text().splitlines()]
    assert [line for line in sandbox() if line not in lines] == []
    assert "ProtectSystem=strict" in sandbox()
