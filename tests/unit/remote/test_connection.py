"""Whatever goes wrong on the way is an error that names host and hop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from strixkit.errors import ConnectError
from strixkit.remote.connection import connect
from strixkit.remote.target import Target


@pytest.fixture
def port() -> Iterator[int]:
    """A server that says something else than ssh and ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as peer:
                peer.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("address", ["a..b", "strix01:abc", "x" * 70, "nowhere.invalid"])
def test_an_address_that_is_none(write_config, address: str) -> None:
    write_config("")
    with pytest.raises(ConnectError, match=f"box: cannot be reached at {address}:22: "):
        connect(Target("box", address))


def test_a_server_that_is_no_ssh(write_config, port: int, capfd: pytest.CaptureFixture[str]) -> None:
    write_config("")
    with pytest.raises(ConnectError, match=f"cannot be reached at 127.0.0.1:{port}: Error reading SSH protocol banner"):
        connect(Target("box", "127.0.0.1", port=port))
    assert capfd.readouterr().err == ""


def test_a_jump_host_is_named(write_config, port: int) -> None:
    write_config(f"Host far\n  ProxyJump near\nHost near\n  HostName 127.0.0.1\n  Port {port}\n")
    with pytest.raises(ConnectError, match=rf"box: jump host near \(\[127.0.0.1\]:{port}\): cannot be reached"):
        connect(Target("box", "far"))
