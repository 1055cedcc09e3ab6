"""Giving pieces to other boxes: read-only, by HTTP, to who knows the secret.

GET /<sha256>/have             JSON: id (of this process), size, pieces, done, failed
GET /<sha256>/piece/<n>-<m>    the bytes of these pieces; X-Piece-Sha256 has the hash of each
"""

from __future__ import annotations

import hmac
import http.server
import json
import re
import secrets
import socket
import socketserver
import threading
import time
from typing import Any, Dict, List, Optional, Protocol

MOST_CONNECTIONS = 32
MOST_PIECES = 64  # of one request
SILENT_SECONDS = 60
PATH = re.compile(r"/([0-9a-f]{64})/(?:have|piece/([0-9]{1,9})-([0-9]{1,9}))")
HAVE, HASHES = "have", "X-Piece-Sha256"
AT_REST = "X-At-Rest"  # who asks has all of it, or has failed; two such boxes would keep each other up


class Shelf(Protocol):
    """What is given."""

    def have(self) -> "Dict[str, Any]":
        """size, pieces (text), done, failed (text)."""

    def hashes(self, first: int, last: int) -> "Optional[List[str]]":
        """The hashes of these pieces; None when one of them is not there."""

    def read(self, index: int) -> bytes:
        """The bytes of a piece."""


class Server(socketserver.ThreadingTCPServer):
    """Serves until `shutdown`. asked: when who wants something last got an answer, by time.monotonic."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, sha256: str, secret: str, shelf: Shelf) -> None:
        self.sha256, self.shelf = sha256, shelf
        self.id = secrets.token_hex(8)
        self.asked = time.monotonic()
        self._expected = b"Bearer " + secret.encode()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        # Both families; a machine may have no IPv6 at all.
        self.address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        super().__init__(("", port), Handler)

    def server_bind(self) -> None:
        """Take connections of both families."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """Serve no longer."""
        self.shutdown()
        self.server_close()

    def knows(self, authorization: "Optional[str]") -> bool:
        """Whether who asks has the secret."""
        found = (authorization or "").encode("utf-8", "replace")
        return hmac.compare_digest(found, self._expected)

    def process_request(self, request: Any, client_address: Any) -> None:
        """One thread for each connection, of a bounded number."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the thread ends, there is room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ended in the middle; who asks will come again."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = SILENT_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer what is asked for, to who may know."""
        server = self.server
        match = PATH.fullmatch(self.path)
        if not server.knows(self.headers.get("Authorization")):
            self._refuse(401)
        elif match is None or match[1] != server.sha256:
            self._refuse(404)
        elif match[2] is None:
            if not self.headers.get(AT_REST):
                server.asked = time.monotonic()
            body = json.dumps(dict(server.shelf.have(), id=server.id)).encode()
            self._begin(len(body))
            self.wfile.write(body)
        else:
            server.asked = time.monotonic()
            self._give(int(match[2]), int(match[3]))

    def _give(self, first: int, last: int) -> None:
        shelf = self.server.shelf
        hashes = shelf.hashes(first, last) if first <= last < first + MOST_PIECES else None
        if hashes is None:
            self._refuse(404)
            return
        size = int(shelf.have()["size"])
        self._begin(min(size, (last + 1) << 20) - (first << 20), hashes)
        for index in range(first, last + 1):
            self.wfile.write(shelf.read(index))

    def _begin(self, length: int, hashes: "Optional[List[str]]" = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        if hashes is not None:
            self.send_header(HASHES, ",".join(hashes))
        self.end_headers()

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def version_string(self) -> str:
        """What the Server header says."""
        return "strixkit"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the journal is not for each piece."""
