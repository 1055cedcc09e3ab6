"""Logging in with keys in ssh's order: those of the agent that are configured, the agent's others, then files."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH
from paramiko.auth_strategy import AuthSource, AuthStrategy, SourceResult

from strixkit.remote.hop import Hop


class Agent(AgentSSH):
    """The agent at a socket; paramiko's own takes only the one in the environment."""

    def __init__(self, path: str | None) -> None:
        super().__init__()
        if path is None:
            return
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            self._connect(connection)  # type: ignore[attr-defined]
        except (OSError, paramiko.SSHException):
            connection.close()  # ssh goes on without it, too

    def close(self) -> None:
        """End the connection to the agent."""
        self._close()  # type: ignore[attr-defined]


class NoLogin(AuthStrategy):
    """Ends the connection's set-up when the host's key is known to be right."""

    def __init__(self) -> None:
        super().__init__(paramiko.SSHConfig())

    def get_sources(self) -> Iterator[AuthSource]:
        """No source is tried."""
        return iter(())

    def authenticate(self, transport: paramiko.Transport) -> list[SourceResult]:
        """Send nothing."""
        return []


class Login(NoLogin):
    """Public keys only: a program that asks for passwords in the middle of sixteen hosts helps nobody."""

    def __init__(self, hop: Hop) -> None:
        super().__init__()
        self.hop = hop
        self.left_out: list[str] = []

    def authenticate(self, transport: paramiko.Transport) -> list[SourceResult]:
        """Try each key. Raises AuthenticationException in words that name what was tried."""
        agent = Agent(self.hop.agent)
        tried: list[str] = []
        try:
            for name, key in self._keys(agent):
                tried.append(name)
                if self._accepted(transport, key, tried):
                    return []
        finally:
            agent.close()
        try:
            # Some servers know the user by other means, and then want no key.
            transport.auth_none(self.hop.user)
        except paramiko.BadAuthenticationType as error:
            wants = f"it takes {_join(error.allowed_types)}"
            raise paramiko.AuthenticationException("; ".join([_none_of(tried), wants, *self.left_out])) from error
        return []

    def _accepted(self, transport: paramiko.Transport, key: paramiko.PKey, tried: list[str]) -> bool:
        try:
            more = transport.auth_publickey(self.hop.user, key)
        except paramiko.BadAuthenticationType as error:
            raise paramiko.AuthenticationException(f"it takes no keys, only {_join(error.allowed_types)}") from error
        except paramiko.SSHException as error:
            if not transport.is_active():
                few = "`IdentitiesOnly yes` in ssh_config offers fewer"
                message = f"it closed the connection after {len(tried)} keys ({', '.join(tried)}); {few}"
                raise paramiko.AuthenticationException(message) from error
            if not isinstance(error, paramiko.AuthenticationException):
                tried[-1] += f" ({error})"  # e.g. the agent would not sign, or there is no algorithm in common
            return False
        if more:
            raise paramiko.AuthenticationException(f"it wants {_join(more)} as well as a key")
        return True

    def _keys(self, agent: Agent) -> Iterator[tuple[str, paramiko.PKey]]:
        held = {key.asbytes(): key for key in agent.get_keys()}
        publics = {path: _public(path) for path in dict.fromkeys(self.hop.identities)}
        in_agent = [path for path, public in publics.items() if public in held]
        in_files = [path for path in publics if path not in in_agent and path.is_file()]
        if self.hop.explicit in in_files:
            # Before the agent's, unlike ssh: an agent with many keys would use up the tries that the server allows.
            in_files.remove(self.hop.explicit)
            yield from self._from_file(self.hop.explicit)
        for path in in_agent:
            yield f"{path} (agent)", held.pop(publics[path])
        if not self.hop.identities_only:
            for key in held.values():
                yield f"{key.comment or key.get_name()} (agent)", key
        for path in in_files:
            yield from self._from_file(path)

    def _from_file(self, path: Path) -> Iterator[tuple[str, paramiko.PKey]]:
        try:
            key = paramiko.PKey.from_path(path)
        except TypeError:
            self.left_out.append(f"{path} has a passphrase: ssh-add {path}")
        except Exception as error:  # as ssh does: a file that is no private key is left out, whatever is wrong with it
            self.left_out.append(f"{path} was left out: {error}")
        else:
            yield str(path), key


def _none_of(tried: list[str]) -> str:
    return f"it accepted none of the keys ({', '.join(tried)})" if tried else "there is no key to offer"


def _join(kinds: list[str]) -> str:
    return " or ".join(kinds)


def _public(path: Path) -> bytes:
    """The public key of an identity file, for the agent: from the .pub beside it, or it is one itself."""
    for candidate in (path.with_name(f"{path.name}.pub"), path):
        try:
            words = candidate.read_text().split()
            if words[0].startswith(("ssh-", "ecdsa-", "sk-")):
                return base64.b64decode(words[1])
        except (OSError, ValueError, IndexError):
            continue
    return b""
