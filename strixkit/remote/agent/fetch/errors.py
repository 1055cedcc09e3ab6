"""What ends a fetch, and what only makes it wait."""

from __future__ import annotations

from typing import Optional


class FetchError(RuntimeError):
    """The file is not there; says what was found and wanted, and what to do. What was fetched stays, unless said."""


class AgainError(Exception):
    """An attempt came to nothing, and the next may not. seconds: how long the server asks to wait, if it does."""

    def __init__(self, reason: str, seconds: "Optional[float]" = None) -> None:
        super().__init__(reason)
        self.seconds = seconds
