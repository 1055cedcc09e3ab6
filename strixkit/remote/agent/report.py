"""How a step says what goes on."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Called with a step's progress."""

    def __call__(self, text: str) -> None:
        """Say what goes on now."""

    def counted(self, text: str) -> None:
        """Say how far it is, often; no point at which anything is to be looked at."""

    def note(self, text: str) -> None:
        """Say what a person should know when all is done."""
