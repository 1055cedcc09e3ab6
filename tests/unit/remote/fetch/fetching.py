"""What the tests of fetching share: an engine in a folder, with short waits."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.origin import File
from strixkit.remote.agent.fetch.patience import Limits
from tests.unit.remote.fetch.server import PIECE, Origin, content

SIZE = 9 * PIECE + 12345
DATA = content(SIZE)
FAST = Limits(first=0.01, most=0.05, give_up=6.0, peer=1.0, idle=1.0, answer=5.0)
SOON = FAST._replace(give_up=1.0)  # where giving up is what is tested


def file_of(origin: Origin, **changes: Any) -> File:
    """The file that the origin has."""
    return File(**{"url": origin.url, "sha256": origin.sha256, "size": len(origin.data), **changes})


def fetch(
    origin: Origin,
    folder: Path,
    *,
    limits: Limits = FAST,
    progress: Callable[[dict[str, Any]], None] | None = None,
    say: Callable[[str], None] | None = None,
    **changes: Any,
) -> Engine:
    """Fetch the file alone; returns the engine when all is there and right."""
    engine = Engine(str(folder), Request(file_of(origin, **changes)), limits, say)
    try:
        engine.run(progress)
    finally:
        engine.close()
    return engine


def is_there(folder: Path, data: bytes = DATA) -> bool:
    """Whether the folder has exactly these bytes."""
    return hashlib.sha256((folder / "data").read_bytes()).digest() == hashlib.sha256(data).digest()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
