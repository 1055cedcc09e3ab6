"""One ssh connection to a box, by Fabric, on the way that the user's own `ssh` would go."""

from __future__ import annotations

import logging
import socket
from functools import partial
from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.ssh_exception import NoValidConnectionsError

from strixkit.errors import ConnectError
from strixkit.remote.hop import Hop
from strixkit.remote.hostkeys import KnownKeys
from strixkit.remote.login import Login, NoLogin
from strixkit.remote.proxy import ProxyCommand
from strixkit.remote.ssh_config import hops
from strixkit.remote.target import Target

START_SECONDS = 60
KEEPALIVE_SECONDS = 5
# Without a handler Python prints what paramiko logs, and that is a traceback for each connection that breaks.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def connect(target: Target, *, login: bool = True) -> Connection:
    """Open every hop. Raises ConnectError in words a person can act on. Close with `close`.

    login: False ends when the target's key was checked.
    """
    connection: Connection | None = None
    try:
        for hop in hops(target):
            connection = _open(target.name, hop, connection, login=login or hop.jump)
    except BaseException:
        close(connection)
        raise
    return connection


def close(connection: Connection | None) -> None:
    """Close the connection and those that carry it: Fabric leaves gateways open."""
    while isinstance(connection, Connection):
        connection.client.close()
        connection = connection.gateway


def execute(connection: Connection, command: str, host: str) -> paramiko.Channel:
    """Start a command. Raises ConnectError: a box may go down right after it let us in, or allow no commands."""
    try:
        channel: paramiko.Channel = connection.transport.open_session(timeout=START_SECONDS)
        channel.exec_command(command)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise ConnectError(
            f"it let {connection.user} in and then started no command: {error or type(error).__name__}",
            host=host,
            hint=f"the same command again; if that does not help: ssh {connection.user}@{connection.host} true",
        ) from error
    return channel


def _open(host: str, hop: Hop, gateway: Connection | None, *, login: bool) -> Connection:
    client = paramiko.SSHClient()
    proxy = None
    try:
        keys = KnownKeys(host, hop)
        client.set_missing_host_key_policy(keys)
        options: dict[str, Any] = {
            "auth_strategy": Login(hop) if login else NoLogin(),
            "transport_factory": partial(_transport, keys.kinds()),
            "banner_timeout": hop.timeout,
            "channel_timeout": hop.timeout,
        }
        if gateway is None and hop.proxy_command:
            options["sock"] = proxy = ProxyCommand(hop.proxy_command)
        # All is resolved: Fabric must neither look into ssh_config nor into files of its own.
        connection = Connection(
            hop.hostname,
            user=hop.user,
            port=hop.port,
            connect_timeout=hop.timeout,
            config=Config(lazy=True, ssh_config=paramiko.SSHConfig()),
            gateway=gateway or False,
            forward_agent=False,
            connect_kwargs=options,
        )
        connection.client = client
        connection.open()
        # A box that has booted again says at the next packet that it knows nothing of this connection.
        connection.transport.set_keepalive(KEEPALIVE_SECONDS)
    except BaseException as error:
        said = proxy.said() if proxy else ""
        client.close()
        if proxy:
            proxy.close()
        if isinstance(error, ConnectError) or not isinstance(error, Exception):
            raise
        # Paramiko raises bare exceptions too, and whatever goes wrong here is a matter of this one host.
        raise _unreachable(host, hop, error, said) from error
    return connection


def _transport(kinds: set[str], sock: Any, **options: Any) -> paramiko.Transport:
    """A transport that asks for a host key of a kind that is known, if the host has one."""
    if isinstance(sock, socket.socket) and sock.family != socket.AF_UNIX:  # others: a jump host's channel, a proxy
        # Paramiko leaves Nagle's algorithm on: 40 ms a request on a LAN.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    security.key_types = sorted(
        security.key_types, key=lambda name: ("ssh-rsa" if name.startswith("rsa-") else name) not in kinds
    )
    return transport


def _unreachable(host: str, hop: Hop, error: Exception, said: str) -> ConnectError:
    who = f"{hop}: " if hop.jump else ""
    if isinstance(error, paramiko.AuthenticationException):
        return ConnectError(
            f"{who}no login as {hop.user}@{hop.hostname}: {error}",
            host=host,
            hint=f"ssh -p {hop.port} {hop.user}@{hop.hostname} must work without a password; ssh-copy-id helps",
        )
    why = _why(error)
    if hop.proxy_command:
        why += f" (ProxyCommand {hop.proxy_command}{': ' + said if said else ''})"
    return ConnectError(
        f"{who}cannot be reached at {hop.hostname}:{hop.port}: {why}",
        host=host,
        hint="is it switched on, is ansible_host in inventory.yaml right, does ssh reach it?",
    )


def _why(error: Exception) -> str:
    if isinstance(error, NoValidConnectionsError):  # one reason for each address of the name; mostly the same
        return ", ".join(dict.fromkeys(_why(reason) for reason in error.errors.values()))
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
