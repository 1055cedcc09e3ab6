"""`invoke facts` as a user types it, without a box."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.test_cli import invoke


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    """Two hosts that no name server knows (RFC 2606)."""
    path = tmp_path / "inventory.yaml"
    host = {"strix_runtime": "debian", "strix_model": "tiny", "strix_profile": "coding"}
    path.write_text(json.dumps({"all": {"hosts": {"a.invalid": host, "b.invalid": host}}}))
    return str(path)


def test_no_host_is_named() -> None:
    done = invoke("facts")
    assert done.returncode == 2
    assert "no host is named" in done.stderr


def test_hosts_that_cannot_be_reached_are_values(inventory: str) -> None:
    done = invoke("facts", "--host", "all", "--inventory", inventory, "--json")
    assert done.returncode == 1
    hosts = json.loads(done.stdout)["hosts"]
    assert [(host["host"], host["ok"], host["facts"]) for host in hosts] == [
        ("a.invalid", False, None),
        ("b.invalid", False, None),
    ]
    assert all(host["error"] for host in hosts)
    words = invoke("facts", "--host", "all", "--inventory", inventory)
    assert [line.partition("  ERROR: ")[0] for line in words.stdout.splitlines() if "ERROR" in line] == [
        "a.invalid",
        "b.invalid",
    ]


def test_a_bad_place_is_told_before_any_host_is_asked(inventory: str, tmp_path: Path) -> None:
    done = invoke("facts", "--host", "all", "--inventory", inventory, "--save", str(tmp_path / "x.json"))
    assert done.returncode == 2
    assert "is one file for 2 hosts" in done.stderr
    assert "ERROR" not in done.stdout
    taken = invoke("facts", "--host", "a.invalid", "--inventory", inventory, "--save", inventory)
    assert (taken.returncode, "is no facts file; it is left as it is" in taken.stderr) == (2, True)
