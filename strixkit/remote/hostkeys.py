"""Host keys as `ssh` treats them: the user's known_hosts decides; unknown and changed keys are refused."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

import paramiko

from strixkit.errors import ConnectError

GLOBAL_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


def fingerprint(key: paramiko.PKey) -> str:
    """Return the key's fingerprint as `ssh-keygen -l` prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def load(client: paramiko.SSHClient, ssh_config: dict[str, str], own_file: str | None) -> None:
    """Load every known_hosts file that `ssh` would read for this host, and the inventory's own."""
    configured = ssh_config.get("userknownhostsfile", " ".join(USER_FILES)).split()
    for name in [*GLOBAL_FILES, *configured, *([own_file] if own_file else [])]:
        path = Path(name).expanduser()
        if path.is_file():
            client.load_system_host_keys(str(path))


class RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """Refuse, with the fingerprint and the command that accepts it."""

    def __init__(self, host: str) -> None:
        self.host = host

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise ConnectError; nothing was sent to the host."""
        raise ConnectError(
            f"the host key of {hostname} is not in known_hosts: {fingerprint(key)}",
            host=self.host,
            hint=f"compare it with the box's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), "
            f"then: invoke trust --host {self.host}",
        )


class Remember(paramiko.MissingHostKeyPolicy):
    """Keep the key that the host shows, for `invoke trust`; the connection ends there."""

    def __init__(self) -> None:
        self.seen: paramiko.PKey | None = None
        self.name = ""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Note the key and refuse."""
        self.seen, self.name = key, hostname
        raise paramiko.SSHException("host key noted")


def changed(host: str, error: paramiko.BadHostKeyException) -> ConnectError:
    """The error for a key that differs from the known one."""
    return ConnectError(
        f"the host key CHANGED: found {fingerprint(error.key)}, known_hosts has {fingerprint(error.expected_key)}; "
        "somebody may stand between you and the box, or it was installed anew",
        host=host,
        hint=f"only if you know why: invoke trust --host {host} --replace",
    )


def write(path: Path, name: str, key: paramiko.PKey, *, replace: bool) -> None:
    """Add `name`'s key to a known_hosts file; with `replace` its other keys are taken out first."""
    lines: Iterable[str] = path.read_text().splitlines() if path.is_file() else []
    if replace:
        lines = [line for line in lines if not _is_for(line, name)]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entry = f"{name} {key.get_name()} {key.get_base64()}"
    temporary = path.with_name(path.name + ".strixkit")
    temporary.write_text("\n".join([*lines, entry]) + "\n")
    temporary.chmod(0o600)
    temporary.rename(path)


def _is_for(line: str, name: str) -> bool:
    entry = paramiko.hostkeys.HostKeyEntry.from_line(line) if line.strip() and not line.startswith("#") else None
    if entry is None:
        return False
    keys = paramiko.HostKeys()
    hosts = entry.hostnames or []
    if entry.key is not None:
        for host in hosts:
            keys.add(host, entry.key.get_name(), entry.key)
    return keys.lookup(name) is not None
