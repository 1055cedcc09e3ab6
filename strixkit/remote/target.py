"""Where a host is reached; apart from connection.py so that it can be named without importing fabric."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A host of the inventory; None means: as ssh_config or its default says."""

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    known_hosts: str | None = None
