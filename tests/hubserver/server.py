"""The server: one or two addresses (the hub, and the CDN that it redirects to), one folder, one log."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from tests.hubserver.faults import Faults
from tests.hubserver.folder import Folder
from tests.hubserver.handler import Handler
from tests.hubserver.traffic import Log, Rate


@dataclass
class Hub(Log):
    """A running server. url: for HF_ENDPOINT. cdn: where the bytes of large files are, the same as `url` or another.

    gated: repository -> the token that opens it. moved: old name of a repository -> the new one, told by a redirect.
    signed_for: seconds that a redirect is good for. Besides the hub's protocol, `plain(file)` is the URL of a file
    that is given without any redirect.
    """

    folder: Folder = field(default_factory=lambda: Folder(Path()))
    rate: Rate = field(default_factory=lambda: Rate(0))
    url: str = ""
    cdn: str = ""
    faults: Faults = field(default_factory=Faults)
    gated: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    signed_for: float = 3600
    closing: threading.Event = field(default_factory=threading.Event)

    def commit(self, repo: str, ref: str = "main") -> str:
        """The commit that a ref has now."""
        found = self.folder.entries(repo, ref)
        assert found is not None, f"{repo} has no {ref}"
        return found[0]

    def plain(self, file: str) -> str:
        """The URL of OWNER/NAME/path as a file of any web server."""
        return f"{self.url}/plain/{quote(file)}"

    def signed(self, file: str, sha256: str, seconds: float) -> str:
        """The URL on the CDN, good for so long."""
        until = repr(time.time() + seconds)
        return f"{self.cdn}/cdn/{sha256}/{quote(file)}?Expires={until}&Signature={self.signature(sha256, until)}"

    def signature(self, sha256: str, until: str) -> str:
        """What proves that the hub made the URL."""
        return hmac.new(b"of this test server", f"{sha256} {until}".encode(), hashlib.sha256).hexdigest()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    hub: Hub
    role = "hub"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is what some tests want."""


@contextmanager
def _listening(hub: Hub, role: str, host: str, port: int, certificate: tuple[Path, Path] | None) -> Iterator[str]:
    server = Server((host, port), Handler)
    server.hub, server.role = hub, role
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # The handshake happens in the connection's own thread, so that a silent client holds nobody up.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://{host}:{server.server_port}"
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    cdn: str = "",
    rate: float = 0,
    certificate: tuple[Path, Path] | None = None,
    cdn_certificate: tuple[Path, Path] | None = None,
) -> Iterator[Hub]:
    """Serve a folder at `host` until the block ends. Port 0: a free one.

    cdn: the address for the bytes of large files, at a port of its own (`127.0.0.2` is another host than `127.0.0.1`);
    without it they are at the hub itself. rate: bytes/s over all connections, 0 for no limit. certificate: its file
    and its key's, for https; the CDN has its own.
    """
    with ExitStack() as stack:
        hub = Hub(folder=Folder(root), rate=Rate(rate))
        hub.url = hub.cdn = stack.enter_context(_listening(hub, "hub", host, port, certificate))
        if cdn:
            hub.cdn = stack.enter_context(_listening(hub, "cdn", cdn, 0, cdn_certificate))
        yield hub
