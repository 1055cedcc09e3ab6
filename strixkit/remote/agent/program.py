"""The agent's own program, for those that it starts."""

from __future__ import annotations

import sys


def zipped() -> bytes:
    """The agent's zip file, which the bootstrap (or Python itself, in the job) put first on the module path."""
    with open(sys.path[0], "rb") as handle:
        return handle.read()
