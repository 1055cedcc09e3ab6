"""Host keys as `ssh` treats them: known_hosts decides; unknown, changed and revoked keys are refused."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import paramiko

from strixkit.errors import DeniedError
from strixkit.remote import known_hosts
from strixkit.remote.hop import Hop

KEY_FILES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}


def fingerprint(kind: str, key: bytes) -> str:
    """Return the key's fingerprint as `ssh-keygen -l` prints it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"{kind} SHA256:{digest}"


class HostKeyError(DeniedError):
    """The key of a hop is not one of those that known_hosts has for it. `old` are those of the same kind."""

    def __init__(self, host: str, hop: Hop, key: paramiko.PKey, old: list[known_hosts.Entry]) -> None:
        self.hop, self.kind, self.key, self.old = hop, key.get_name(), key.asbytes(), old
        found = fingerprint(self.kind, self.key)
        if old:
            known = ", ".join(fingerprint(entry.kind, entry.key) for entry in old)
            message = (
                f"the host key of {hop} CHANGED: found {found}, known_hosts has {known}; "
                "somebody may stand between you and the box, or it was installed anew"
            )
            hint = f"only if you know why: invoke trust --host {host} --replace"
        else:
            message = f"the host key of {hop} is not in known_hosts: {found}"
            name = KEY_FILES.get(self.kind, "ecdsa")
            hint = (
                f"compare it with the box's own (ssh-keygen -lf /etc/ssh/ssh_host_{name}_key.pub), "
                f"then: invoke trust --host {host}"
            )
        super().__init__(message, host=host, hint=hint)

    def shown(self) -> str:
        """The key, for the user to compare it."""
        known = "".join(f"\n  known_hosts has {fingerprint(entry.kind, entry.key)}" for entry in self.old)
        return f"{self.hop} shows {fingerprint(self.kind, self.key)}{known}"


class KnownKeys(paramiko.MissingHostKeyPolicy):
    """Checks the key that a hop shows. The client must know no keys itself, so that each comes here.

    Paramiko's own known_hosts knows neither markers nor wildcards nor two keys of one kind.
    """

    def __init__(self, host: str, hop: Hop) -> None:
        self.host, self.hop = host, hop
        self.entries = known_hosts.entries(hop.known_hosts, hop.known_name)

    def kinds(self) -> set[str]:
        """The kinds of which a key is known: ssh asks the host for one of these first."""
        return {entry.kind for entry in self.entries if not entry.marker}

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Return if the key is known. Raises HostKeyError, or DeniedError for a revoked key."""
        blob = key.asbytes()
        same = [entry for entry in self.entries if entry.key == blob]
        if any(entry.marker == known_hosts.REVOKED for entry in same):
            raise DeniedError(
                f"the host key of {self.hop} is marked @revoked in known_hosts: {fingerprint(key.get_name(), blob)}",
                host=self.host,
                hint="give the box a new host key, or take the @revoked line out",
            )
        plain = [entry for entry in self.entries if not entry.marker]
        if any(entry.key == blob for entry in (*plain, *self._without_port())):
            return
        raise HostKeyError(self.host, self.hop, key, [entry for entry in plain if entry.kind == key.get_name()])

    def _without_port(self) -> list[known_hosts.Entry]:
        """What is known for the name alone: ssh accepts that on another port, too."""
        if not self.hop.known_name.startswith("["):
            return []
        found = known_hosts.entries(self.hop.known_hosts, self.hop.hostname.lower())
        return [entry for entry in found if not entry.marker]


def accept(error: HostKeyError, path: Path, *, replace: bool) -> None:
    """Add the refused key to a known_hosts file; with `replace` the hop's other keys are taken out first."""
    hop = error.hop
    if replace:
        for own in hop.user_known_hosts:
            known_hosts.take_out(own, hop.known_name)
    name = known_hosts.hashed(hop.known_name) if hop.hash_known_hosts else hop.known_name
    known_hosts.add(path, name, error.kind, error.key)
