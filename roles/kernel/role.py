"""What the kernel is booted with, and which versions are known to work."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host.context import HostContext
from strixkit.resources.base import Resource


def resources(host: HostContext) -> Iterator[Resource]:
    """Nothing yet."""
    yield from ()
