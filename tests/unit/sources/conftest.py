"""A web server of the tests' own, which serves byte ranges well or in one of many wrong ways."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Web:
    """`files`: path -> content, or (first bytes, size of the whole). The first part of a URL is the server's manner."""

    port: int = 0
    files: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0

    def url(self, path: str, manner: str = "good") -> str:
        return f"http://127.0.0.1:{self.port}/{manner}/{path}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

        def do_GET(self) -> None:
            manner, _, name = self.path.partition("?")[0].lstrip("/").partition("/")
            state.asked.append((self.path, self.headers.get("Range", "")))
            if manner in REDIRECTS:
                self.answer(302, b"", Location=REDIRECTS[manner].format(name=name))
            elif manner.isdigit():
                self.answer(int(manner), b"no")
            elif name not in state.files:
                self.answer(404, b"no")
            else:
                self.file(manner, state.files[name])

        def file(self, manner: str, content: Any) -> None:
            data, total = content if isinstance(content, tuple) else (content, len(content))
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
            assert found
            start, stop = int(found[1]), min(int(found[2]) + 1, total)
            if manner == "whole":
                return self.answer(200, data)
            if start >= total:
                return self.answer(416, b"", **{"Content-Range": f"bytes */{total}"})
            body = data[start:stop].ljust(stop - start, b"\0")
            words = {"Content-Range": f"bytes {start}-{stop - 1}/{total}", "ETag": '"1"'}
            words |= {
                "wrong": {"Content-Range": f"bytes {start + 5}-{stop + 4}/{total}"},
                "unsaid": {"Content-Range": f"bytes {start}-{stop - 1}/*"},
                "none": {"Content-Range": ""},
                "gzip": {"Content-Encoding": "gzip"},
                "changing": {"ETag": f'"{start}"'},
                "half": {"Content-Length": str(len(body))},
            }.get(manner, {})
            if manner == "slow":
                time.sleep(1)
            return self.answer(206, body[: len(body) // 2] if manner == "half" else body, **words)

        def answer(self, status: int, body: bytes, **words: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **words}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return
            state.sent += len(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield state
    server.shutdown()
    server.server_close()


REDIRECTS = {
    "moved": "/good/{name}?signature=secret",
    "loop": "/loop/{name}",
    "away": "ftp://127.0.0.1/{name}",
    "local": "file:///etc/passwd",
}
