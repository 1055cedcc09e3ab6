"""A small HTTP server for the tests of fetching: ranges, and whatever can go wrong, by request number."""

from __future__ import annotations

import hashlib
import http.server
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PIECE = 1 << 20


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@dataclass
class Asked:
    """A request as it came: path, the headers, and of the answer how many bytes were sent from where on."""

    path: str
    headers: dict[str, str]
    first: int = 0
    sent: int = 0


@dataclass
class Answer:
    """What one answer is: change it to be another one. cut: bytes after which the connection ends."""

    status: int = 206
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None


@dataclass
class Origin:
    """data: of the file. faults: changes an answer; hears its number (from 0), what was asked, and the answer."""

    data: bytes
    address: str
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    fault: Callable[[int, Asked, Answer], None] | None = None
    pause: float = 0.0  # seconds after each 64 KiB
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}/file"

    def sent(self) -> int:
        """Bytes of all bodies."""
        return sum(one.sent for one in self.asked)

    def whole_pieces(self) -> list[int]:
        """Every piece that was sent to its last byte, by one answer, as often as it was."""
        found: list[int] = []
        for one in self.asked:
            first, end = one.first, one.first + one.sent
            for index in range(-(-first // PIECE), -(-len(self.data) // PIECE)):
                if min((index + 1) * PIECE, len(self.data)) <= end:
                    found.append(index)
        return found


@contextmanager
def serving(data: bytes, address: str = "127.0.0.1") -> Iterator[Origin]:
    origin = Origin(data, address)
    server = _Server((address, 0), _handler(origin))
    origin.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up."""


def _handler(origin: Origin) -> type[http.server.BaseHTTPRequestHandler]:
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = Asked(self.path, dict(self.headers))
            with origin.lock:
                number = len(origin.asked)
                origin.asked.append(asked)
            answer = _answer(origin.data, self.headers.get("Range", ""), asked)
            if origin.fault is not None:
                origin.fault(number, asked, answer)
            self._send(asked, answer)

        def _send(self, asked: Asked, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if answer.status == 200:
                asked.first = 0
            body = memoryview(answer.body)[: answer.cut]
            for offset in range(0, len(body), 1 << 16):
                self.wfile.write(body[offset : offset + (1 << 16)])
                asked.sent += len(body[offset : offset + (1 << 16)])
                if origin.pause:
                    stop.wait(origin.pause)
            if answer.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler


def _answer(data: bytes, wanted: str, asked: Asked) -> Answer:
    found = re.fullmatch(r"bytes=([0-9]+)-([0-9]+)", wanted)
    if not found:
        return Answer(200, {"ETag": '"one"'}, data)
    first, last = int(found[1]), min(int(found[2]), len(data) - 1)
    if first >= len(data):
        return Answer(416, {"Content-Range": f"bytes */{len(data)}"})
    asked.first = first
    headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "ETag": '"one"'}
    return Answer(206, headers, data[first : last + 1])
