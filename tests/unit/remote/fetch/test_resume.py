"""What a fetch that was interrupted leaves, and that nothing of it is fetched again."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.remote.agent.fetch import pieces
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.local import fetch_file
from tests.unit.remote.fetch.fetching import DATA, FAST, SIZE, fetch, is_there
from tests.unit.remote.fetch.server import PIECE, Asked, Origin, content, serving

CHILD = "import sys;from strixkit.remote.agent.fetch.child import main;sys.exit(main())"


def _asked(one: Asked) -> set[int]:
    """The pieces of which a request wants bytes."""
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", one.headers["Range"])
    assert found
    return set(range(int(found[1]) // PIECE, int(found[2]) // PIECE + 1))


def _start(origin: Origin, folder: Path) -> subprocess.Popen[bytes]:
    file = {"url": origin.url, "sha256": origin.sha256, "size": len(origin.data), "token": False}
    request = {**file, "pieces": "all", "peers": [], "port": 0, "secret": ""}
    (folder / "request.json").write_text(json.dumps(request))
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)])


def test_killed_at_any_time_it_never_asks_for_what_is_recorded(tmp_path: Path) -> None:
    chance = random.Random(66)
    rounds = 0
    with serving(content(40 * PIECE + 77)) as origin:
        origin.pause = 0.004
        while not (tmp_path / "done.json").exists():
            recorded = set(pieces.load(str(tmp_path / "pieces")))
            asked, until = len(origin.asked), origin.sent() + chance.randrange(1, 9 * PIECE)
            process = _start(origin, tmp_path)
            try:
                while process.poll() is None and (rounds > 7 or origin.sent() < until):
                    time.sleep(0.002)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
            for one in origin.asked[asked:]:
                assert not _asked(one) & recorded
            rounds += 1
        assert rounds > 3
        assert json.loads((tmp_path / "done.json").read_text())["ok"]
        assert is_there(tmp_path, origin.data)


def test_told_to_end_it_ends_the_pieces_that_it_is_at(tmp_path: Path) -> None:
    with serving(content(40 * PIECE)) as origin:
        origin.pause = 0.02
        process = _start(origin, tmp_path)
        try:
            while len(origin.asked) < 4 or min(one.sent for one in origin.asked) < PIECE // 4:
                time.sleep(0.002)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
        assert not (tmp_path / "done.json").exists()
        recorded = set(pieces.load(str(tmp_path / "pieces")))
        assert {one.first // PIECE for one in origin.asked} <= recorded
        origin.pause, asked = 0, len(origin.asked)
        fetch(origin, tmp_path)
        assert is_there(tmp_path, origin.data)
        for one in origin.asked[asked:]:
            assert not _asked(one) & recorded


def test_a_recorded_piece_that_is_damaged_is_fetched_again_and_no_other(tmp_path: Path) -> None:
    with serving(DATA) as origin:
        fetch(origin, tmp_path)
        with (tmp_path / "data").open("r+b") as handle:
            handle.seek(3 * PIECE + 17)
            handle.write(b"damaged")
        asked = len(origin.asked)
        said: list[str] = []
        fetch(origin, tmp_path, say=said.append)
        assert is_there(tmp_path)
        assert [_asked(one) for one in origin.asked[asked:]] == [{3}]
        assert said == ["1 recorded pieces are not on the disk as they were and are fetched again"]


@pytest.mark.parametrize("torn", [b"9 ", b"9 abc", b"\xff\xfe garbage \n", b"9 " + b"0" * 64 + b" origin"])
def test_a_torn_record_says_nothing(tmp_path: Path, torn: bytes) -> None:
    with serving(DATA) as origin:
        fetch(origin, tmp_path)
        record = tmp_path / "pieces"
        lines = [line for line in record.read_bytes().splitlines(keepends=True) if not line.startswith(b"9 ")]
        record.write_bytes(b"".join(lines) + torn)
        asked = len(origin.asked)
        fetch(origin, tmp_path)
        assert is_there(tmp_path)
        assert [_asked(one) for one in origin.asked[asked:]] == [{9}]
        assert sorted(pieces.load(str(record))) == list(range(10))


def test_data_that_is_gone_is_fetched_anew(tmp_path: Path) -> None:
    with serving(DATA) as origin:
        fetch(origin, tmp_path)
        (tmp_path / "data").unlink()
        fetch(origin, tmp_path)
        assert is_there(tmp_path)
        assert origin.sent() == 2 * SIZE


@given(st.sets(st.integers(0, 99)))
def test_pieces_as_text(found: set[int]) -> None:
    assert pieces.parse(pieces.text(found), 100) == found


@pytest.mark.parametrize("text", ["100", "0-100", "3-2", "1,", ",", "-1", "0x1", "1 2", "a"])
def test_what_names_no_pieces(text: str) -> None:
    with pytest.raises(ValueError, match="names no pieces"):
        pieces.parse(text, 100)


def test_all_pieces_have_all_bytes() -> None:
    assert pieces.total(pieces.parse("all", pieces.count(SIZE)), SIZE) == SIZE
    assert pieces.total([9], SIZE) == 12345


def test_onto_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "file.gguf"
    said: list[str] = []
    with serving(DATA) as origin:
        what = (origin.url, str(path), origin.sha256, SIZE, "")
        origin.fault = lambda number, asked, answer: setattr(answer, "status", 404) if number == 4 else None
        with pytest.raises(FetchError, match="404"):
            fetch_file(*what, said.append, FAST)
        assert not path.exists()
        recorded = pieces.total(pieces.load(f"{path}.incoming/pieces"), SIZE)
        origin.fault, sent = None, origin.sent()
        assert fetch_file(*what, said.append, FAST) == {"origin": SIZE}
        assert path.read_bytes() == DATA
        assert origin.sent() - sent == SIZE - recorded
        assert [entry.name for entry in tmp_path.iterdir()] == ["file.gguf"]
        assert fetch_file(*what, said.append, FAST) == {}
        path.write_bytes(b"mine")
        with pytest.raises(FetchError, match="next: move it away"):
            fetch_file(*what, said.append, FAST)
    assert all(text.startswith("[") for text in said)


def test_two_at_once_into_one_folder(tmp_path: Path) -> None:
    with serving(DATA) as origin:
        origin.pause = 0.2
        process = _start(origin, tmp_path)
        try:
            while not origin.asked:
                time.sleep(0.01)
            with pytest.raises(FetchError, match="another process fetches it"):
                fetch(origin, tmp_path)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
