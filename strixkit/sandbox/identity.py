"""Who may log in to a box, and how its user recognises it: keys, known_hosts."""

from __future__ import annotations

import os
from pathlib import Path

from strixkit.sandbox.shell import run

USERS = ("root", "admin", "operator", "guest")
HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in an overlay, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def host_key(upper: Path) -> None:
    """Make the box's own host key before it boots, so that the first connection can check it."""
    (upper / "etc/ssh").mkdir(parents=True, exist_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(upper / HOST_KEY))


def client_key(client: Path) -> str:
    """The user's public key for boxes; made once."""
    path = client / "id_ed25519"
    if not path.exists():
        client.mkdir(mode=0o700, parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "strixkit sandbox", "-f", str(path))
        _give(client, path, path.with_suffix(".pub"))
    return path.with_suffix(".pub").read_text()


def authorize(client: Path, upper: Path, base: Path) -> None:
    """Let the client's key log in as each of the box's users."""
    key = client_key(client)
    accounts = {line.split(":")[0]: line.split(":") for line in (base / "etc/passwd").read_text().splitlines()}
    for user in USERS:
        uid, gid, home = int(accounts[user][2]), int(accounts[user][3]), accounts[user][5].lstrip("/")
        folder = upper / home / ".ssh"
        folder.mkdir(parents=True)
        write(folder / "authorized_keys", key, 0o600)
        folder.chmod(0o700)
        (upper / home).chmod(0o700)
        for path in (upper / home, folder, folder / "authorized_keys"):
            os.chown(path, uid, gid)


def accept(client: Path, address: str, upper: Path) -> None:
    """Write the box's host key into the client's known_hosts, in place of an older one."""
    path = client / "known_hosts"
    kind, key = (upper / f"{HOST_KEY}.pub").read_text().split()[:2]
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith(f"{address} ")]
    path.write_text("\n".join([*kept, f"{address} {kind} {key}"]) + "\n")
    _give(client, path)


def _give(client: Path, *paths: Path) -> None:
    """Files that root makes for a user belong to that user: the owner of the client's folder."""
    owner = client.stat()
    for path in paths:
        os.chown(path, owner.st_uid, owner.st_gid)
