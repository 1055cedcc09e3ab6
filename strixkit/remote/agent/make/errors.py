"""What keeps a file from being made."""

from __future__ import annotations

from typing import Sequence


class MakeError(RuntimeError):
    """There is no file to use; says what was found and what was wanted, and carries the last lines of a log."""

    def __init__(self, message: str, log: "Sequence[str]" = ()) -> None:
        super().__init__(message)
        self.log = list(log)
