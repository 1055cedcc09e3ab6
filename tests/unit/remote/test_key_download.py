"""The download of a key from servers that do not behave."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from strixkit.remote.agent import openpgp, repository


class Server(http.server.BaseHTTPRequestHandler):
    """Says of each path what is wrong with it."""

    def do_GET(self) -> None:
        """Answer without an end, drop by drop, or with what is no HTTP."""
        if self.path == "/nonsense":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            return
        self.send_response(200)
        self.end_headers()
        endless = self.path == "/endless"
        while not self.server.ended.is_set():  # type: ignore[attr-defined]
            try:
                self.wfile.write(b"x" * (65536 if endless else 1))
            except OSError:
                return
            if not endless:
                time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(repository, "_proxies", lambda: {"none": "set"})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.ended = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.ended.set()  # type: ignore[attr-defined]
        server.shutdown()


def test_an_answer_without_end_is_read_to_the_bound(url: str) -> None:
    data = repository.fetch(f"{url}/endless")
    assert len(data) == openpgp.MOST_BYTES + 1
    with pytest.raises(RuntimeError, match="it has more than"):
        repository.checked(data, "A" * 40, url)


def test_a_server_that_drips_is_left_in_the_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "DOWNLOAD_SECONDS", 1)
    with pytest.raises(RuntimeError, match=r"it cannot be reached: not whole after 1 s\n  next: on the box: curl"):
        repository.fetch(f"{url}/drips")


def test_what_is_no_http_is_told(url: str) -> None:
    with pytest.raises(RuntimeError, match=r"it cannot be reached: SSH.*\n  next: on the box: curl"):
        repository.fetch(f"{url}/nonsense")
