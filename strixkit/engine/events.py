"""What work says while it goes on. The engine emits, the display renders; neither knows the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strixkit.resources.base import Change


@dataclass(frozen=True)
class Event:
    """One thing that happened on one host.

    `kind` is one of: change, step, progress, reached, held, fixed, failed, pending, reboot, note.
    """

    host: str
    kind: str
    text: str = ""
    resource: str = ""
    change: Change | None = None


Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For callers that want no display."""
