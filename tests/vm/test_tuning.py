"""Role `tuning` with the real tuned."""

from __future__ import annotations

import pytest

from tests.vm.lab import Lab

pytestmark = [pytest.mark.vm, pytest.mark.nightly]  # boxes have it in every run


def test_the_profile_is_set_and_verified(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roles.ORDER", ("tuning",))
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log, outcome.said)
    assert "accelerator-performance" in lab.machine.ssh("tuned-adm active")
    lab.machine.ssh("tuned-adm verify --ignore-missing")
    again = lab.deploy()
    assert (again.changes, again.round_trips) == ([], 2)
    # Somebody takes another one: that is a difference, and the next deploy's.
    lab.machine.ssh("tuned-adm profile balanced")
    assert lab.deploy().ok
    assert "accelerator-performance" in lab.machine.ssh("tuned-adm active")
