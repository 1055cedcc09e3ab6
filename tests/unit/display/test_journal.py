"""The journal of a box as lines."""

from __future__ import annotations

from typing import Any

import pytest

from strixkit.display.journal import lines

GATED = {"event": "gated", "at": "2026-11-24T12:00:00+00:00", "release": "0123456789ab", "service": "main"}


def test_one_change_is_no_changes() -> None:
    begin = {"event": "begin", "at": "now", "who": "root@vm", "what": "rollback of main", "changes": [{}]}
    assert lines([begin]) == ["now  root@vm began rollback of main: 1 change"]
    assert lines([{**begin, "changes": [{}, {}]}])[0].endswith(": 2 changes")


@pytest.mark.parametrize(
    ("checks", "wanted"),
    [
        ([{"ok": True, "text": "/health answers 200"}], ""),
        (
            [{"ok": True, "text": "fine"}, {"ok": None, "text": "memory not confirmed: why"}],
            "; memory not confirmed: why",
        ),
        (None, ""),
        ("nonsense", ""),
        (["nonsense"], ""),
    ],
)
def test_what_a_gate_could_not_confirm(checks: Any, wanted: str) -> None:
    [line] = lines([{**GATED, "checks": checks}])
    assert line == f"2026-11-24T12:00:00+00:00  release 0123456789ab of main passed the gate{wanted}"


def test_a_reboot_and_what_it_was_for() -> None:
    entry = {
        "event": "reboot",
        "at": "now",
        "who": "root@vm",
        "what": "deploy",
        "why": "ttm.pages_limit",
        "boot_id": "x",
    }
    assert lines([entry]) == ["now  reboots for ttm.pages_limit, by root@vm's deploy"]
