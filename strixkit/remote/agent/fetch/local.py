"""Fetching a file as a box does, but in this process: onto the controller, for boxes without internet."""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable, Dict, Optional

from strixkit.remote.agent import atomic, hashes
from strixkit.remote.agent.fetch import status, store
from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.origin import File
from strixkit.remote.agent.fetch.patience import Limits


def fetch_file(  # noqa: PLR0917  what a file is, in the order of a download's fields
    url: str,
    path: str,
    sha256: str,
    size: int,
    token: str,
    progress: "Callable[[str], None]",
    limits: "Optional[Limits]" = None,
) -> "Dict[str, int]":
    """Fetch a file to `path`; returns the bytes by source. Raises FetchError, OSError; what is there stays then.

    A file of `size` bytes at `path` that has the hash already is left as it is; another one is refused. What has
    arrived lies in `path`.incoming until all is there, and the same call goes on with it.
    """
    if os.path.lexists(path):
        return _already(path, sha256, size)
    folder = path + ".incoming"
    engine = Engine(folder, Request(File(url, sha256, size, token)), limits, progress)
    said = ""

    def hear(value: "Dict[str, Any]") -> None:
        nonlocal said
        if status.words(value) != said:
            said = status.words(value)
            progress(said)

    try:
        sources = engine.run(hear)
    finally:
        engine.close()
    os.chmod(os.path.join(folder, store.DATA), 0o644)
    os.rename(os.path.join(folder, store.DATA), path)
    atomic.sync_directory(os.path.dirname(os.path.abspath(path)))
    shutil.rmtree(folder)
    return sources


def _already(path: str, sha256: str, size: int) -> "Dict[str, int]":
    found = hashes.compute(path, lambda text: None) if os.path.isfile(path) and os.path.getsize(path) == size else ""
    if found != sha256:
        said = "sha256 " + found if found else "another size, or is no file"
        raise FetchError("%s is there with %s, wanted sha256 %s; next: move it away" % (path, said, sha256))
    return {}
