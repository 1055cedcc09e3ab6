"""A real git server on loopback: `git http-backend` behind Python's HTTP server, and places where it misbehaves."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest


@dataclass
class GitServer:
    """Serves the bare repositories below `root`.

    What it does for the first folder of a path: `login` wants a password; `hang` never answers; `flood` sends branches
    without an end; `page` is a web page; `moved` redirects to the same path without it; `away` to that of `other`.
    seen: paths that were asked for, and whether a password came along.
    """

    root: Path
    url: str = ""
    other: str = ""
    seen: list[tuple[str, bool]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        git: GitServer = self.server.git
        parts = urlsplit(self.path)
        first, _, rest = parts.path.lstrip("/").partition("/")
        git.seen.append((parts.path, "Authorization" in self.headers))
        if first == "login":
            self._answer(401, {"WWW-Authenticate": 'Basic realm="private"'})
        elif first == "hang":
            git.closing.wait()
        elif first == "flood":
            self._flood()
        elif first == "page":
            self._answer(200, {"Content-Type": "text/html"}, b"<html>welcome</html>")
        elif first in ("moved", "away"):
            base = git.other if first == "away" else git.url
            self._answer(302, {"Location": f"{base}/{rest}?{parts.query}"})
        else:
            self._backend(parts.path, parts.query)

    do_POST = do_GET

    def _answer(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(b"001e# service=git-upload-pack\n0000")
            number = 0
            while not self.server.git.closing.is_set():
                number += 1
                line = f"{'a' * 40} refs/heads/{number:0200d}\n".encode()
                self.wfile.write(b"%04x" % (len(line) + 4) + line)

    def _backend(self, path: str, query: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=self.rfile.read(length), capture_output=True, env=environment, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    git: GitServer

    def handle_error(self, *_: object) -> None:
        """A client that goes away is what some tests want."""


@contextmanager
def serving(root: Path, *, other: str = "", certificate: tuple[Path, Path] | None = None) -> Iterator[GitServer]:
    """A server on a free port of 127.0.0.1; certificate: its file and its key's, for https."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate else "http"
    server.git = GitServer(root, f"{scheme}://127.0.0.1:{server.server_port}", other)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.git
    finally:
        server.git.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """No proxy and no settings of this machine's for git; the file of a test's own settings, still empty."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("GIT_", "SSH_")):
            monkeypatch.delenv(name)
    config = folder / "gitconfig"
    config.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return config


@dataclass(frozen=True)
class Repository:
    """A bare repository, written to by git itself."""

    path: Path

    def git(self, *words: str) -> str:
        """The stdout of a git command in it."""
        author = {f"GIT_{who}_{what}": f"t@{who}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **author,
        }
        done = subprocess.run(
            ["git", "-C", self.path, *words], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout.strip()

    def commit(self, branch: str, message: str) -> str:
        """A commit without files, as the new end of a branch; its hash."""
        tree = self.git("hash-object", "-t", "tree", "-w", "/dev/null")
        parents = [word for old in self.heads(branch) for word in ("-p", old)]
        new = self.git("commit-tree", tree, "-m", message, *parents)
        self.git("update-ref", f"refs/heads/{branch}", new)
        return new

    def heads(self, branch: str) -> list[str]:
        """The branch's commit, or nothing."""
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").split()


def make_repository(path: Path) -> Repository:
    """An empty bare repository."""
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "-q", "--bare", "-b", "main")
    return repository
