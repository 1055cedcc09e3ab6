"""`invoke pull` on three boxes: each piece once from the server, the rest from each other, and all of it verified."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import hubserver
from tests.box.house import PIECE, House, served

pytestmark = pytest.mark.box
SIZE = 24 * PIECE + 4711


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, at most a minute."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def house(boxes, client: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(boxes, client, tmp_path_factory.mktemp("house"), size=SIZE) as house:
        yield house


@pytest.fixture(autouse=True)
def _fresh(house: House) -> None:
    house.forget()
    house.hub.requests.clear()
    house.hub.faults.clear()


def test_three_boxes_fetch_it_once_in_all(house: House) -> None:
    said = house.invoke("pull", "--host", "all")
    assert len(house.verified()) == 3
    assert house.hub.bytes_sent(house.name) == SIZE, "each byte once"
    assert "so that it comes once" in said
    givers = {request.peer for request in house.hub.requests if request.sent}
    assert givers == {box.address for box in house.boxes}, "each box fetched its part"
    house.hub.requests.clear()
    again = house.invoke("pull", "--host", "all")
    assert [line for line in again.splitlines() if "note:" not in line] == [
        f"{box.name}  unchanged (3 round trips)" for box in house.boxes
    ]
    assert house.hub.requests == []


def test_a_box_that_has_it_gives_it_to_others(house: House) -> None:
    first, second, third = (box.name for box in house.boxes)
    house.invoke("pull", "--host", first)
    house.hub.requests.clear()
    plan = house.invoke("plan", "--host", second)
    assert f"{house.path} comes from {first}, which has it" in plan
    assert not house.hub.requests, "a plan fetches nothing"
    house.invoke("pull", "--host", f"{second},{third}")
    assert len(house.verified()) == 3
    assert house.hub.bytes_sent(house.name) == 0


def test_each_for_itself_by_wish(house: House) -> None:
    house.invoke("pull", "--host", "all", "--no-share")
    assert len(house.verified()) == 3
    assert house.hub.bytes_sent(house.name) == 3 * SIZE
    units = house.lab(0).ssh("systemctl list-units --plain --no-legend 'strixkit-fetch-*'")
    assert units == "", "who gives to nobody does not go on"


def test_wrong_bytes_are_not_put_in_place(house: House) -> None:
    house.hub.faults.append(hubserver.Fault(wrong_at=5 * PIECE + 17, times=hubserver.faults.FOREVER))
    name = house.boxes[0].name
    said = house.invoke("pull", "--host", name, "--no-share", code=1)
    assert f"wanted {house.sha256}" in said
    assert not (house.boxes[0].root / house.path.lstrip("/")).exists()
    house.hub.faults.clear()
    house.invoke("pull", "--host", name)
    assert house.verified() == [name]


def test_a_pull_is_cancelled_and_goes_on_later(house: House) -> None:
    lab, begun = house.lab(0), 8 * PIECE
    house.hub.faults.append(hubserver.Fault(stall=300, stall_at=begun, times=hubserver.faults.FOREVER))
    process = house.begin("pull", "--host", lab.box.name)
    until(lambda: house.hub.bytes_sent(house.name) >= PIECE)
    assert "no evaluate is at work" in house.invoke("evaluate", "--host", lab.box.name, "--cancel")
    assert f"{house.sha256[:12]} ended" in house.invoke("pull", "--host", lab.box.name, "--cancel")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert lab.ssh("systemctl list-units --plain --no-legend 'strixkit-fetch-*' 'strixkit-job-*'") == ""
    assert "no pull is at work" in house.invoke("pull", "--host", lab.box.name, "--cancel")
    house.hub.faults.clear()
    house.invoke("pull", "--host", lab.box.name)
    assert house.verified() == [lab.box.name]


def test_what_a_fetch_waits_for_is_said(house: House) -> None:
    lab = house.lab(0)
    house.hub.faults.append(hubserver.Fault(status=503, retry_after="20", times=4))
    said = house.invoke("pull", "--host", lab.box.name)
    assert "nothing has come for" in said
    assert house.verified() == [lab.box.name]


def test_no_room_is_said_before_anything_is_fetched(house: House) -> None:
    lab = house.lab(0)
    lab.ssh("mkdir -p /var/lib/strixkit && mount -t tmpfs -o size=16m tmpfs /var/lib/strixkit")
    try:
        said = house.invoke("pull", "--host", lab.box.name, code=2)
        assert f"{house.path} has 25.2 MB, and " in said
        assert " too little is free" in said
        assert not house.hub.requests
    finally:
        lab.ssh("umount /var/lib/strixkit")


def test_it_is_carried_to_a_box_without_the_internet(house: House, tmp_path: Path) -> None:
    name = house.boxes[0].name
    said = house.invoke("pull", "--host", name, "--to", str(tmp_path))
    carried = tmp_path / Path(house.path).name
    assert said.splitlines()[-1] == str(carried)
    assert house.hub.bytes_sent(house.name) == SIZE
    house.hub.requests.clear()
    house.invoke("pull", "--host", name, "--from", str(tmp_path))
    assert house.verified() == [name]
    assert not house.hub.requests
    house.forget()
    carried.write_bytes(b"another file")
    said = house.invoke("pull", "--host", name, "--from", str(carried), code=2)
    assert f"wanted {house.sha256}" in said


def test_a_deploy_of_several_fetches_once_and_serves(house: House, tiny_model: Path) -> None:
    big = house.file.read_bytes()
    shutil.copy(tiny_model, house.file)
    try:
        names = [box.name for box in house.boxes[:2]]
        house.invoke("deploy", "--host", ",".join(names))
        assert house.verified() == names
        assert house.hub.bytes_sent(house.name) == house.size
        assert "nopqrstuvwxyz" in str(house.lab(1).chat())
        again = house.invoke("deploy", "--host", ",".join(names))
        assert again.count("unchanged (2 round trips)") == 2
    finally:
        house.file.write_bytes(big)
