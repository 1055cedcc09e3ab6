"""Becoming root by sudo-rs, Ubuntu 26.04's sudo, which asks and refuses in other words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from strixkit.errors import ConnectError
from strixkit.fleet import verbs
from strixkit.secret import Secret
from tests.box.lab import Lab

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    lab.ssh("apt-get update -qq && apt-get install -y -qq sudo-rs >/dev/null 2>&1")
    lab.ssh("mount --bind $(command -v sudo-rs) $(readlink -f $(command -v sudo))")
    assert "sudo-rs" in lab.ssh("sudo --version")
    return lab


def _journal(lab: Lab, user: str, password: str | None) -> list[dict[str, object]]:
    lab = dataclasses.replace(lab, user=user)
    return verbs.journal(lab.host(), verbs.Access(Secret(password) if password else None), limit=1)


def test_without_a_password(lab: Lab) -> None:
    assert _journal(lab, "admin", None) == []


def test_with_a_password(lab: Lab) -> None:
    assert _journal(lab, "operator", "operator") == []


def test_wrong_password(lab: Lab) -> None:
    with pytest.raises(ConnectError, match="wrong password"):
        _journal(lab, "operator", "wrong")


def test_a_password_is_wanted(lab: Lab) -> None:
    with pytest.raises(ConnectError, match="--prompt-sudo-password"):
        _journal(lab, "operator", None)


def test_no_right(lab: Lab) -> None:
    with pytest.raises(ConnectError, match="right to sudo"):
        _journal(lab, "guest", "guest")
