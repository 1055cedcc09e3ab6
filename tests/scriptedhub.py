"""A hub on loopback that answers as a test says, byte for byte: for answers that no honest hub gives."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, length: bool = True) -> bytes:
    """An answer as bytes; headers may hold anything that latin-1 has."""
    fields = {**({"Content-Length": str(len(body))} if length else {}), **(headers or {})}
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in fields.items()), "Connection: close"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@dataclass
class ScriptedHub:
    """answers: by method and path; the rest is 404. seen: method, path, token of each request."""

    answers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    url: str = ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def revision(self, repo: str, ref: str, commit: object, *names: str, api: str = "models") -> None:
        """What the API says of a revision."""
        body = json.dumps({"sha": commit, "siblings": [{"rfilename": name} for name in names]}).encode()
        self.answers["GET", f"/api/{api}/{repo}/revision/{ref}"] = answer(200, body=body)

    def large(self, repo: str, commit: str, name: str, size: object, sha256: str, **more: str) -> None:
        """A file in large-file storage: its bytes are elsewhere, and nobody is to ask for them."""
        headers = {
            "Location": "http://127.0.0.1:1/elsewhere",
            "X-Linked-Size": str(size),
            "X-Linked-Etag": f'"{sha256}"',
            "X-Repo-Commit": commit,
        }
        headers.update({key.replace("_", "-"): value for key, value in more.items()})
        self.answers["HEAD", f"/{repo}/resolve/{commit}/{name}"] = answer(302, headers)

    def small(self, repo: str, commit: str, name: str, data: bytes) -> None:
        """A file that the hub has in git itself."""
        path = f"/{repo}/resolve/{commit}/{name}"
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob}"'}
        self.answers["HEAD", path] = answer(200, {**headers, "Content-Length": str(len(data))})
        self.answers["GET", path] = answer(200, headers, data)


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        hub: ScriptedHub = self.server.hub
        hub.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
        self.close_connection = True
        self.wfile.write(hub.answers.get((self.command, self.path), answer(404)))

    do_HEAD = do_GET


@contextmanager
def scripted_hub() -> Iterator[ScriptedHub]:
    """The hub, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = ScriptedHub(url=f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
