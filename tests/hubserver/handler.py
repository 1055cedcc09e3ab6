"""One connection: the hub's protocol (resolve, API), the CDN's, and a plain file server's."""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hubserver.faults import Fault
from tests.hubserver.folder import Entry, Hashes
from tests.hubserver.traffic import Request

BUFFER = 1 << 17  # of the socket, in bytes: what the log counts as sent is not far ahead of what the client has
RESOLVE = re.compile(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)")
API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+?)(?:/revision/([^/]+))?")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any
    record: Request

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.record = Request(self.client_address[0], self.command, self.server.role, self.path, headers)
        self.server.hub.requests.append(self.record)
        path = urlsplit(self.path).path
        with suppress(OSError):
            if self.server.role == "hub" and (found := RESOLVE.fullmatch(path)):
                self._resolve(*map(unquote, found.groups()))
            elif self.server.role == "hub" and (found := API.fullmatch(path)):
                self._api(*map(unquote, found.groups(default="main")))
            elif path.startswith("/plain/"):
                self._plain(unquote(path.removeprefix("/plain/")))
            elif path.startswith("/cdn/"):
                self._cdn(*unquote(path.removeprefix("/cdn/")).split("/", 1))
            else:
                self._answer(404, {}, b"Not Found")
            return
        self.close_connection = True

    do_HEAD = do_GET

    # The hub's own answers.

    def _files(self, repo: str, ref: str, file: str, *, rest: str) -> tuple[str, dict[str, Entry]] | None:
        """The commit and files of a ref; None when the request was answered: refused, or told where the new name is."""
        hub = self.server.hub
        self.record.file = f"{repo}/{file}" if file else repo
        if repo in hub.moved:
            self._answer(307, {"Location": rest.replace(repo, hub.moved[repo], 1)})
            return None
        given = self.record.authorization
        if repo in hub.gated and given != f"Bearer {hub.gated[repo]}":
            words = "Invalid credentials in Authorization header" if given else f"Access to model {repo} is restricted."
            self._refuse(401, "" if given else "GatedRepo", words)
            return None
        if not hub.folder.has(repo):
            self._refuse(404, "RepoNotFound", "Repository not found")
            return None
        found: tuple[str, dict[str, Entry]] | None = hub.folder.entries(repo, ref)
        if found is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {ref}")
        return found

    def _resolve(self, repo: str, ref: str, file: str) -> None:
        found = self._files(repo, ref, file, rest=self.path)
        if found is None:
            return
        commit, entries = found
        headers = {"X-Repo-Commit": commit, "Cache-Control": "no-store"}
        if file not in entries:
            self._refuse(404, "EntryNotFound", "Entry not found", headers)
            return
        entry, hub = entries[file], self.server.hub
        if not entry.large:
            self._bytes(entry.path, entry.hashes, f'"{entry.hashes.blob}"', headers)
            return
        fault = hub.faults.take(self.record.file, "resolve", self.record.peer)
        sha256, seconds = entry.hashes.sha256, -1 if fault.expired else hub.signed_for
        headers |= {
            "ETag": f'"{sha256}"',
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(entry.hashes.size),
            "Accept-Ranges": "bytes",
            "Location": fault.location or hub.signed(self.record.file, sha256, seconds),
        }
        if fault.status:
            self._answer(fault.status, self._retry(fault))
        else:
            self._answer(302, _with(headers, fault.headers), b"Found. Redirecting")

    def _api(self, kind: str, name: str, ref: str) -> None:
        repo = name if kind == "models" else f"datasets/{name}"
        fault = self.server.hub.faults.take(repo, "api", self.record.peer)
        if fault.status:
            self._answer(fault.status, self._retry(fault))
            return
        found = self._files(repo, ref, "", rest=self.path)
        if found is None:
            return
        commit, entries = found
        siblings: list[dict[str, Any]] = [{"rfilename": file} for file in entries]
        if "blobs" in parse_qs(urlsplit(self.path).query):
            for sibling, entry in zip(siblings, entries.values(), strict=True):
                sibling |= {"size": entry.hashes.size, "blobId": entry.hashes.blob}
                if entry.large:
                    sibling["lfs"] = {"sha256": entry.hashes.sha256, "size": entry.hashes.size, "pointerSize": 135}
        body = json.dumps({"id": name, "sha": commit, "siblings": siblings}).encode()
        headers = {"Content-Type": "application/json", "X-Repo-Commit": commit}
        self._answer(200, _with(headers, fault.headers), fault.content if fault.content is not None else body)

    # Bytes.

    def _cdn(self, sha256: str, file: str) -> None:
        self.record.file = file
        hub, query = self.server.hub, parse_qs(urlsplit(self.path).query)
        until = query.get("Expires", ["0"])[0]
        if query.get("Signature") != [hub.signature(sha256, until)] or float(until) < time.time():
            self._answer(403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
            return
        repo = "/".join(file.split("/")[: 3 if file.startswith("datasets/") else 2])
        folders = [hub.folder.root / repo, *sorted((hub.folder.root / repo).parent.glob(f"{Path(repo).name}@*"))]
        for path in (folder / file[len(repo) + 1 :] for folder in folders):
            if path.is_file() and hub.folder.hashes(path).sha256 == sha256:
                self._bytes(path, hub.folder.hashes(path), f'"{sha256}"', {})
                return
        self._answer(404, {}, b"<Error><Code>NoSuchKey</Code></Error>")

    def _plain(self, file: str) -> None:
        self.record.file = file
        root = self.server.hub.folder.root.resolve()
        path = (root / file).resolve()
        if not path.is_file() or not path.is_relative_to(root):
            self._answer(404, {}, b"Not Found")
            return
        hashes = self.server.hub.folder.hashes(path)
        self._bytes(path, hashes, f'"{hashes.sha256[:16]}"', {})

    def _bytes(self, path: Path, hashes: Hashes, etag: str, headers: dict[str, str]) -> None:
        """Answer with the file, or the one range that was asked for."""
        size = hashes.size
        first, stop = self._asked(size)
        kind = "bytes" if self.command == "GET" else "head"
        fault = self.server.hub.faults.take(self.record.file, kind, self.record.peer, first, stop)
        if fault.status or fault.expired:
            self._answer(fault.status or 403, self._retry(fault))
            return
        if fault.content is not None:
            size, etag = len(fault.content), f'"{hashlib.sha256(fault.content).hexdigest()}"'
            first, stop = self._asked(size)
        plain = not self.record.range or fault.no_range or self.headers.get("If-Range", etag) != etag
        if plain:
            first, stop = 0, size
        headers |= {"ETag": etag, "Content-Type": "application/octet-stream"}
        if not fault.whole_only:
            headers["Accept-Ranges"] = "bytes"
        if not plain and first >= stop:
            self._answer(416, _with(headers | {"Content-Range": f"bytes */{size}"}, fault.headers))
            return
        if not plain:
            total = size if fault.total is None else fault.total
            headers["Content-Range"] = f"bytes {first + fault.shift}-{stop - 1 + fault.shift}/{total}"
        headers["Content-Length"] = str(max(0, stop - first + fault.length))
        self.close_connection |= bool(fault.length or fault.cut is not None or fault.cut_at is not None)
        self._head(200 if plain else 206, _with(headers, fault.headers))
        if self.command == "GET":
            with io.BytesIO(fault.content) if fault.content is not None else path.open("rb") as data:
                self._send(data, first, stop, fault)

    def _asked(self, size: int) -> tuple[int, int]:
        """Offsets of the first byte and behind the last; one range only, as a CDN may have it."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.record.range)
        if found is None or not any(found.groups()):
            return 0, size
        if not found[1]:
            return max(0, size - int(found[2])), size
        return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size

    def _send(self, data: BinaryIO, first: int, stop: int, fault: Fault) -> None:
        rate, record, closing = self.server.hub.rate, self.record, self.server.hub.closing
        if fault.cut is not None:
            stop = min(stop, first + fault.cut)
        if fault.cut_at is not None:
            stop = min(stop, fault.cut_at)
        record.first, pause_at = first, max(first, fault.stall_at) if fault.stall else stop
        data.seek(first)
        position = first
        while position < stop and not closing.is_set():
            if position == pause_at and closing.wait(fault.stall):
                break
            edge = min(pause_at, stop) if position < pause_at else stop
            block = bytearray(data.read(min(rate.block, edge - position)))
            if fault.wrong_at is not None and position <= fault.wrong_at < position + len(block):
                block[fault.wrong_at - position] ^= 0xFF
            rate.wait(len(block))
            view = memoryview(block)
            while view:
                # Counted before: a client that has the last byte may look at the log at once.
                record.sent += len(view)
                count = 0
                try:
                    count = self.connection.send(view)
                finally:
                    record.sent -= len(view) - count
                    record.sent_at = time.monotonic()
                view = view[count:]
            position += len(block)
        self.close_connection |= closing.is_set()

    # Answers.

    def _retry(self, fault: Fault) -> dict[str, str]:
        return _with({"Retry-After": fault.retry_after} if fault.retry_after else {}, fault.headers)

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        words = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._answer(status, {**(headers or {}), **words}, message.encode())

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self._head(status, {"Content-Length": str(len(body)), **headers})
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.record.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _with(headers: dict[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Headers with some replaced, and those of the value None left out."""
    return {name: value for name, value in {**headers, **changes}.items() if value is not None}
