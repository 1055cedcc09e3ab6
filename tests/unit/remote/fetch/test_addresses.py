"""By which addresses a box may be reached, and what is said of a status."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from strixkit.display.counted import share
from strixkit.remote.agent.fetch import addresses, status

CODE = "from strixkit.remote.agent.fetch import addresses; print(addresses.by_ssh())"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("192.168.1.5 50000 192.168.1.12 22", "192.168.1.12"),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", "fe80::2"),
        ("::ffff:10.0.0.1 50000 ::ffff:10.0.0.2 22", "10.0.0.2"),
        ("UNKNOWN 65535 UNKNOWN 65535", ""),
        ("192.168.1.5 50000", ""),
        ("", ""),
    ],
)
def test_the_address_that_ssh_came_to(value: str, expected: str) -> None:
    assert addresses.server_address(f"A=1\0SSH_CONNECTION={value}\0B=2".encode()) == expected


def test_a_program_whose_name_has_brackets_has_a_parent_too() -> None:
    assert addresses.parent(b"77 (a) b (c)) S 12 77 77 0") == 12
    assert addresses.parent(b"") == 0


def test_what_sudo_takes_away_is_found_with_the_parents() -> None:
    words = ["env", "-i", f"PYTHONPATH={os.getcwd()}", sys.executable, "-c", CODE]
    inner = f"{' '.join(words[:-1])} '{CODE}'; true"
    environment = {**os.environ, "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}
    done = subprocess.run(["sh", "-c", inner], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "192.0.2.2"


def test_what_a_person_reads_of_a_status() -> None:
    value = {
        "size": 16_500_000_000,
        "have": 6_100_000_000,
        "pieces": 15736,
        "done": 5818,
        "sources": {},
        "rates": {"origin": 40_000_000, "box02": 72_000_000},
        "seconds_left": 92,
        "state": "waiting for box03",
    }
    text = status.words(value)
    assert text == (
        "[5818/15736] 6.10 GB of 16.50 GB, 112.0 MB/s (box02 72.0, origin 40.0), 92 s left, waiting for box03"
    )
    assert share(text) == pytest.approx(0.3697, abs=1e-4)
    assert status.duration(7300) == "2 h 1 min"
