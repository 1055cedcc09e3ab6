"""Repositories of apt that a test builds, signs and serves: real packages, real keys, real signatures.

The packages hold little but their names, versions and dependencies, which are those of the real ones.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

from strixkit.sandbox import network

TOOLS = ("gpg", "dpkg-deb")
SOON = "20240102T000000"
THEN = "20240101T000000"  # when a key was made that is said to have expired since


@dataclass(frozen=True)
class Package:
    """A package of a test. `files`: path -> content. `postrm`: its script of that name.

    One of another architecture than amd64 can be installed beside its namesake.
    """

    name: str
    version: str
    depends: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    postrm: str = ""
    architecture: str = "amd64"

    def build(self, folder: Path) -> Path:
        """Make the .deb."""
        root = folder / f"{self.name}-{self.architecture}.d"
        (root / "DEBIAN").mkdir(parents=True)
        for path, content in self.files.items():
            (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (root / path.lstrip("/")).write_bytes(content.encode() if isinstance(content, str) else content)
        (root / "DEBIAN/control").write_text(self.control())
        if self.conffiles:
            (root / "DEBIAN/conffiles").write_text("".join(f"{path}\n" for path in self.conffiles))
        if self.postrm:
            (root / "DEBIAN/postrm").write_text(self.postrm)
            (root / "DEBIAN/postrm").chmod(0o755)
        deb = folder / f"{self.name}_{self.version}_{self.architecture}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, deb], check=True, stdout=subprocess.DEVNULL)
        return deb

    def control(self) -> str:
        """The fields that dpkg and apt need."""
        depends = f"Depends: {self.depends}\n" if self.depends else ""
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {self.architecture}\n{depends}"
            "Multi-Arch: same\nMaintainer: a test <test@example.org>\nDescription: of a test\n"
        )


class Keys:
    """A home of gpg with keys by name."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home

    def _gpg(self, *words: str, stdin: bytes = b"", then: str = "") -> bytes:
        time = [f"--faked-system-time={then}"] if then else []
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", "", *time, *words]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout

    def make(self, name: str, *, then: str = "") -> str:
        """A key, made now or `then`; returns its fingerprint."""
        self._gpg("--quick-generate-key", f"{name} <{name}@example.org>", "rsa2048", "sign", "never", then=then)
        lines = self._gpg("--list-keys", "--with-colons", f"{name}@example.org").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    def expire(self, fingerprint: str, *, then: str) -> None:
        """Let the public half say that it was good for a year from `then` on."""
        self._gpg("--quick-set-expire", fingerprint, "1y", then=then)

    def public(self, *names: str) -> bytes:
        """Their public halves, armored."""
        return self._gpg("--export", "--armor", *(f"{name}@example.org" for name in names))

    def sign(self, name: str, text: str) -> bytes:
        """The text with a signature around it."""
        return self._gpg("--clearsign", "--local-user", f"{name}@example.org", stdin=text.encode())

    def end(self) -> None:
        """End gpg's own agent."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False)


class Server:
    """Serves a folder to the boxes; `url` is what they reach it by."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"http://{network.GATEWAY}:{port}"

    def put(self, path: str, data: bytes) -> None:
        """A file below the folder."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(data)

    def publish(self, at: str, suite: str, origin: str, packages: list[Package], sign: Any) -> None:
        """A repository at `at` with one suite; `sign` makes InRelease of the text of Release."""
        pool = self.folder / at / "pool"
        pool.mkdir(parents=True)
        stanzas = []
        for package in packages:
            data = package.build(pool).read_bytes()
            where = f"Filename: pool/{package.name}_{package.version}_amd64.deb\nSize: {len(data)}\n"
            stanzas.append(f"{package.control()}{where}SHA256: {hashlib.sha256(data).hexdigest()}\n")
        index = "\n".join(stanzas).encode()
        lines = []
        for name, data in (("Packages", index), ("Packages.gz", gzip.compress(index))):
            self.put(f"{at}/dists/{suite}/main/binary-amd64/{name}", data)
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/{name}\n")
        release = (
            f"Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {suite}\nDate: {formatdate(usegmt=True)}\n"
            f"Architectures: amd64\nComponents: main\nSHA256:\n{''.join(lines)}"
        )
        self.put(f"{at}/dists/{suite}/InRelease", sign(release))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a new folder until the end."""
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Server(folder, server.server_address[1])
        finally:
            server.shutdown()
