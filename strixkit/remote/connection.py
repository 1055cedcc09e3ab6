"""One ssh connection to a box, by Fabric: the user's ssh_config, agent, jump hosts and known_hosts apply."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from fabric import Config, Connection

from strixkit.errors import ConnectError
from strixkit.remote import hostkeys
from strixkit.remote.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS = 15


def prepare(target: Target) -> Connection:
    """Make the (unopened) connection; every hop checks host keys."""
    options: dict[str, Any] = {}
    if target.identity_file:
        options["key_filename"] = str(Path(target.identity_file).expanduser())
    connection = Connection(
        target.address,
        user=target.user,
        port=target.port,
        connect_timeout=CONNECT_SECONDS,
        connect_kwargs=options,
        config=Config(lazy=False),
    )
    for hop in _hops(connection):
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(hostkeys.RefuseUnknown(target.name))
        hostkeys.load(client, hop.ssh_config, target.known_hosts)
        hop.client = client
    return connection


def _hops(connection: Connection) -> Iterator[Connection]:
    while isinstance(connection, Connection):
        yield connection
        connection = connection.gateway


def connect(target: Target) -> Connection:
    """Open the connection. Raises ConnectError in words a person can act on."""
    connection = prepare(target)
    try:
        connection.open()
    except ConnectError:
        raise
    except paramiko.BadHostKeyException as error:
        raise hostkeys.changed(target.name, error) from error
    except paramiko.AuthenticationException as error:
        raise ConnectError(
            f"{connection.user}@{connection.host} accepted none of the offered keys ({error})",
            host=target.name,
            hint=f"ssh {connection.user}@{connection.host} must work without a password; ssh-copy-id helps",
        ) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise ConnectError(
            f"cannot be reached at {connection.host}:{connection.port}: {error or type(error).__name__}",
            host=target.name,
            hint="is it switched on, is ansible_host in inventory.yaml right, does ssh reach it?",
        ) from error
    sock = getattr(connection.transport, "sock", None)
    if isinstance(sock, socket.socket):  # a jump host's channel is none
        # Paramiko leaves Nagle's algorithm on: 40 ms a request on a LAN.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def host_key(target: Target) -> tuple[str, paramiko.PKey]:
    """Ask the host for its key without trusting it; returns (name in known_hosts, key). Raises ConnectError."""
    connection = prepare(target)
    remember = hostkeys.Remember()
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(remember)
    connection.client = client
    try:
        connection.open()
    except (OSError, EOFError, paramiko.SSHException) as error:
        if remember.seen is None:
            raise ConnectError(
                f"cannot be reached at {connection.host}:{connection.port}: {error}", host=target.name
            ) from error
    finally:
        connection.close()
    assert remember.seen is not None
    return remember.name, remember.seen
