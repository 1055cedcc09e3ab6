"""Boxes that fetch a file together: each piece once from its origin, all others from each other, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strixkit.remote.agent.fetch import pieces
from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.peers import Client, Place
from strixkit.remote.agent.fetch.serve import MOST_CONNECTIONS, Server
from strixkit.remote.agent.fetch.share import Whole, give
from tests.unit.remote.fetch.fetching import DATA, FAST, SIZE, fetch, file_of, free_port, is_there
from tests.unit.remote.fetch.server import PIECE, Origin, serving

SECRET = "5ec7e7"


class Box:
    """An engine in a thread. error: what it raised."""

    def __init__(self, folder: Path, origin: Origin, own: str, port: int, peers: dict[str, int], **limits: Any) -> None:
        places = [Place(name, ["127.0.0.1"], other) for name, other in peers.items()]
        request = Request(file_of(origin), own, places, port, SECRET)
        self.folder = folder
        self.engine = Engine(str(folder), request, FAST._replace(**limits))
        self.error: BaseException | None = None
        self.states: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.engine.run(lambda value: self.states.append(value["state"]))
        except BaseException as error:
            self.error = error

    def wait(self) -> None:
        """Until it has the file, or has failed."""
        self._thread.join(60)
        assert not self._thread.is_alive()

    def good(self) -> dict[str, int]:
        """It has the file; returns the bytes by source."""
        self.wait()
        assert self.error is None, self.error
        assert is_there(self.folder)
        return self.engine.store.sources()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """Starts a box by its name; all end with the test."""
    made: list[Box] = []

    def begin(name: str, *arguments: Any, **limits: Any) -> Box:
        made.append(Box(tmp_path / name, *arguments, **limits))
        return made[-1]

    yield begin
    for box in made:
        box.engine.close()


@contextlib.contextmanager
def sharing(origin: Origin, folder: Path) -> Iterator[Server]:
    """Somebody who has the whole file."""
    path = folder / "whole"
    path.write_bytes(origin.data)
    with path.open("rb") as handle:
        server = Server(free_port(), origin.sha256, SECRET, Whole(handle.fileno(), len(origin.data)))
        server.start()
        yield server
        server.stop()


@pytest.mark.parametrize("count", [2, 3])
def test_together_they_take_each_piece_once_from_the_origin(start: Callable[..., Box], count: int) -> None:
    ports = {f"box{number}": free_port() for number in range(count)}
    with serving(DATA) as origin:
        boxes = []
        for number, name in enumerate(ports):
            own = pieces.text(range(number, 10, count))
            others = {other: port for other, port in ports.items() if other != name}
            boxes.append(start(name, origin, own, ports[name], others))
        for number, box in enumerate(boxes):
            sources = box.good()
            assert sum(sources.values()) == SIZE
            assert sources["origin"] == pieces.total(range(number, 10, count), SIZE)
        assert sorted(origin.whole_pieces()) == list(range(10))
        assert origin.sent() == SIZE


def test_serving_ends_when_every_peer_has_it_all(start: Callable[..., Box]) -> None:
    first, second = free_port(), free_port()
    with serving(DATA) as origin:
        boxes = [
            start("one", origin, "0-4", first, {"two": second}, idle=600),
            start("two", origin, "5-9", second, {"one": first}, idle=600),
        ]
        for box in boxes:
            box.good()
        boxes[0].engine.serve_on()  # or the test would last for ten minutes


def test_a_box_that_has_it_gives_it_and_nothing_comes_from_the_origin(
    start: Callable[..., Box], tmp_path: Path
) -> None:
    with serving(DATA) as origin, sharing(origin, tmp_path) as server:
        port = server.server_address[1]
        assert start("one", origin, "", 0, {"holder": port}).good() == {"holder": SIZE}
        assert origin.asked == []


def test_a_peer_that_dies_and_comes_back(start: Callable[..., Box], monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> dict[str, Any]:
        raise ConnectionError  # who was killed says nothing, not even that it failed

    first, second = free_port(), free_port()
    with serving(DATA) as origin:
        origin.pause = 0.01
        other = start("two", origin, "5-9", second, {"one": first}, peer=60.0, give_up=60.0)
        one = start("one", origin, "0-4", first, {"two": second})
        while len(one.engine.store.have) < 2:
            time.sleep(0.005)
        monkeypatch.setattr(one.engine, "have", dead)
        one.engine._failure = RuntimeError("killed")
        one.wait()
        one.engine.close()
        recorded = set(pieces.load(str(one.folder / "pieces")))
        asked = len(origin.asked)
        again = start("one", origin, "0-4", first, {"two": second})
        again.good()
        other.good()
        for asking in origin.asked[asked:]:
            start_byte = int(asking.headers["Range"].removeprefix("bytes=").partition("-")[0])
            assert start_byte // PIECE not in recorded


def test_a_peer_that_stays_away_is_named_with_what_only_it_would_have_had(start: Callable[..., Box]) -> None:
    gone = free_port()
    with serving(DATA) as origin:
        box = start("one", origin, "0-6", 0, {"box07": gone})
        box.wait()
        assert isinstance(box.error, FetchError)
        text = str(box.error)
        assert f"3 of 10 pieces are missing and only there: box07 (127.0.0.1 port {gone}) cannot be reached: " in text
        assert "Connection refused" in text
        assert text.endswith("if a firewall is between them, open that port, or invoke pull --no-share")
        assert len(pieces.load(str(box.folder / "pieces"))) == 7
        assert "waiting for box07" in box.states


def test_pieces_that_are_nobodys_are_told(start: Callable[..., Box]) -> None:
    with serving(DATA) as origin:
        box = start("one", origin, "0-6", 0, {})
        box.wait()
        assert "3 pieces are to come from other boxes, and none is named" in str(box.error)


def test_a_peer_that_gives_up_is_quoted(start: Callable[..., Box]) -> None:
    first, second = free_port(), free_port()
    with serving(DATA) as origin:
        origin.fault = lambda number, asked, answer: setattr(answer, "status", 404)
        one = start("one", origin, "0-6", first, {"two": second})
        one.wait()
        origin.fault = None
        other = start("two", origin, "7-9", second, {"one": first})
        other.wait()
        assert f"one (127.0.0.1 port {first}) failed: {origin.url} answers 404" in str(other.error)


def test_boxes_that_have_failed_do_not_keep_each_other_up(start: Callable[..., Box]) -> None:
    with serving(DATA) as origin:
        ports = {name: free_port() for name in ("a", "b", "c")}
        peers = {name: {other: ports[other] for other in ports if other != name} for name in ports}
        # More than the seconds between two questions of a box at rest.
        boxes = [start(name, origin, own, ports[name], peers[name], idle=3.0) for name, own in (("a", "0"), ("b", "1"))]
        for box in boxes:
            box.wait()
            assert isinstance(box.error, FetchError)
        ends = [threading.Thread(target=box.engine.serve_on, daemon=True) for box in boxes]
        for end in ends:
            end.start()
        for end in ends:
            end.join(15)
        assert not any(end.is_alive() for end in ends)


@pytest.mark.parametrize("answer", [b"[" * 100_000, b'{"id": "x", "size": Infinity}', b'"text"', b"7"])
def test_nonsense_of_a_peer_is_no_end_of_the_fetch(start: Callable[..., Box], answer: bytes) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(DATA) as origin, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        box = start("a", origin, pieces.ALL, free_port(), {"b": server.server_address[1]})
        assert box.good() == {"origin": SIZE}
        server.shutdown()


def test_a_piece_that_is_not_as_its_hash_says_is_not_taken(start: Callable[..., Box], tmp_path: Path) -> None:
    port = free_port()
    with serving(DATA) as origin:
        holder = start("holder", origin, "all", port, {"one": free_port()})
        holder.good()
        with (holder.folder / "data").open("r+b") as handle:
            handle.seek(4 * PIECE)
            handle.write(b"damaged")
        box = start("one", origin, "", 0, {"holder": port})
        box.wait()
        assert "piece 4 has other bytes than its hash says" in str(box.error)
        assert 4 not in pieces.load(str(box.folder / "pieces"))


def test_a_corrupted_piece_of_the_origin_is_fetched_there_again_and_one_of_a_peer_is_not(
    start: Callable[..., Box], tmp_path: Path
) -> None:
    with serving(DATA) as origin, sharing(origin, tmp_path) as server:
        peers = {"holder": server.server_address[1]}
        start("one", origin, "2", 0, peers).good()
        assert pieces.load(str(tmp_path / "one" / "pieces"))[2].source in ("origin", "holder")
        with (tmp_path / "one" / "data").open("r+b") as handle:
            handle.seek(7 * PIECE)
            handle.write(b"damaged")
        asked = len(origin.asked)
        start("one", origin, "", 0, peers).good()
        assert len(origin.asked) == asked


def test_who_gives_waits_longer_for_the_first_question(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.write_bytes(DATA)
    with path.open("rb") as handle:
        server = Server(free_port(), "a" * 64, SECRET, Whole(handle.fileno(), SIZE))
        thread = threading.Thread(target=give, args=(server, 0.5, 60.0), daemon=True)
        thread.start()
        thread.join(2)
        assert thread.is_alive()
        client = Client(Place("holder", ["127.0.0.1"], server.server_address[1]), "a" * 64, SECRET, "", 5.0)
        client.have(at_rest=True)
        thread.join(2)
        assert thread.is_alive(), "that was no question of somebody who wants something"
        client.have()
        thread.join(5)
        assert not thread.is_alive()
        client.close()


def test_who_does_not_know_the_secret_learns_nothing(tmp_path: Path) -> None:
    with serving(DATA) as origin, sharing(origin, tmp_path) as server:
        have = f"/{origin.sha256}/have"

        def ask(path: str, authorization: str | None) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
            connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
            response = connection.getresponse()
            return response.status, response.read()

        for authorization in (None, "", "Bearer ", "Bearer 5ec7e8", "Basic 5ec7e7", f"Bearer {SECRET}x", "Bearer \xe9"):
            assert ask(have, authorization) == (401, b"")
        good = f"Bearer {SECRET}"
        status, body = ask(have, good)
        found = json.loads(body)
        assert (status, found["size"], found["pieces"], found["done"], found["failed"]) == (200, SIZE, "0-9", True, "")
        assert ask(f"/{origin.sha256}/piece/9-9", good) == (200, DATA[9 * PIECE :])
        assert ask(f"/{origin.sha256}/piece/1-2", good) == (200, DATA[PIECE : 3 * PIECE])
        for path in ("/", "/etc/passwd", f"/{'0' * 64}/have", f"/{origin.sha256}/piece/9-10", f"{have}/../x"):
            assert ask(path, good)[0] == 404
        for path in (f"/{origin.sha256}/piece/2-1", f"/{origin.sha256}/piece/-1-2", f"/{origin.sha256}/piece/0-64"):
            assert ask(path, good)[0] == 404


def test_connections_are_bounded(tmp_path: Path) -> None:
    with serving(DATA) as origin, sharing(origin, tmp_path) as server, contextlib.ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            one = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
            one.request("GET", f"/{origin.sha256}/have", headers={"Authorization": f"Bearer {SECRET}"})
            assert one.getresponse().status == 200
            stack.callback(one.close)
        refused = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
        with pytest.raises((http.client.HTTPException, OSError)):
            refused.request("GET", "/", headers={})
            refused.getresponse()


def test_a_box_alone_serves_nobody(tmp_path: Path) -> None:
    with serving(DATA) as origin:
        engine = fetch(origin, tmp_path)
        assert engine._server is None
