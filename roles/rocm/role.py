"""AMD's HIP runtime and compiler, where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host.context import HostContext
from strixkit.resources.base import Resource


def resources(host: HostContext) -> Iterator[Resource]:
    """Nothing yet."""
    yield from ()
