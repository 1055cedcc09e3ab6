"""A pull whose boxes lose power and whose controller is killed, again and again: no recorded piece comes twice."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strixkit import sandbox
from tests.box.house import INCOMING, PIECE, House, served

pytestmark = pytest.mark.box
SIZE = 32 * PIECE + 12345
RATE = 8_000_000  # bytes/s: about four seconds for one fetch, in which something dies
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
MOST_RUNS = 12


@pytest.fixture(scope="module")
def house(boxes, client: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(boxes, client, tmp_path_factory.mktemp("house"), size=SIZE, rate=RATE) as house:
        yield house


def recorded(house: House) -> set[int]:
    """Numbers of the pieces that some box has recorded, or has in place with the whole file."""
    found: set[int] = set()
    for box in house.boxes:
        if (box.root / house.path.lstrip("/")).exists():
            return set(range(-(-SIZE // PIECE)))
        record = box.root / INCOMING / house.sha256 / "pieces"
        if record.exists():
            found |= {int(line.split()[0]) for line in record.read_text().splitlines()[1:] if len(line.split()) == 3}
    return found


def asked(house: House, since: int) -> set[int]:
    """Numbers of the whole pieces that the requests after the first `since` ones were about."""
    found: set[int] = set()
    for request in house.hub.requests[since:]:
        match = RANGE.fullmatch(request.range)
        if match:
            stop = int(match[2] or SIZE - 1) + 1
            found |= set(range(int(match[1]) // PIECE, -(-stop // PIECE)))
    return found


def kill_controller(process: subprocess.Popen[str], house: House, number: int) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def cut_power(process: subprocess.Popen[str], house: House, number: int) -> None:
    """The controller goes on; the box is back when the next run begins."""
    name = house.boxes[number].name
    sandbox.power_cut(name)
    time.sleep(0.5)
    sandbox.start(name)


def one_round(house: House, dice: random.Random) -> int:
    """Fetch the file to all boxes, killing something in each run that is not the last; returns how many times."""
    house.forget()
    house.hub.requests.clear()
    kills = 0
    for _ in range(MOST_RUNS):
        before, since, what, begun = recorded(house), len(house.hub.requests), "nothing", time.monotonic()
        process = house.begin("pull", "--host", "all")
        try:
            process.wait(timeout=dice.uniform(1.0, 5.0))
        except subprocess.TimeoutExpired:
            kill = dice.choice([kill_controller, cut_power])
            kill(process, house, dice.randrange(3))
            what = kill.__name__
            kills += 1
        said, _ = process.communicate(timeout=300)
        print(f"{len(before)} pieces before; {what}; exit {process.returncode} in {time.monotonic() - begun:.0f} s")
        again = asked(house, since) & before
        assert not again, f"pieces {sorted(again)} were recorded and asked of the origin again\n{said}"
        if process.returncode == 0 and len(house.verified()) == 3:
            break
    assert len(house.verified()) == 3, said
    return kills


@pytest.mark.parametrize("wanted", [4, pytest.param(50, marks=pytest.mark.nightly)], ids=["a-few-kills", "fifty-kills"])
def test_whatever_dies_every_file_is_verified_and_nothing_recorded_comes_again(house: House, wanted: int) -> None:
    seed = random.randrange(1 << 32)
    dice, kills, sent, size = random.Random(seed), 0, 0, 0
    while kills < wanted:
        kills += one_round(house, dice)
        sent, size = sent + house.hub.bytes_sent(house.name), size + SIZE
    print(f"seed {seed}: {kills} kills, the origin sent {sent / size:.3f} times the file")
