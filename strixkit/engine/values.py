"""What the engine is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strixkit.resources.base import Change, Resource, Upload

REBOOT_MINUTES = 10


class Conversation(Protocol):
    """What the engine needs of a session with the agent; see strixkit.remote.session."""

    host: str
    round_trips: int

    def request(self, do: str, on_event: Any = None, **fields: Any) -> Any:
        """Ask the agent for one thing."""

    def upload(self, path: Path, upload: Upload, on_bytes: Any) -> None:
        """Send a file."""

    def close(self) -> None:
        """End the connection; once more is no error."""

    def reopen(self) -> None:
        """Connect again as before: the same way, user and password. Raises ConnectError."""


@dataclass(frozen=True)
class Desired:
    """The wishes for one host.

    complete: False when some can only be known when these are true (a runtime's flags).
    lacks: what a person must do before the rest can be known; the run's error once these are true.
    later: what another run makes so before the rest can be known; no error.
    """

    resources: tuple[Resource, ...]
    complete: bool = True
    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    shown: dict[str, Any] = field(default_factory=dict)


class Describe(Protocol):
    """From facts to wishes. Pure, apart from reading the controller's own files."""

    def facts_request(self) -> dict[str, Any]:
        """What to ask beside the facts."""

    def desired(self, answer: dict[str, Any]) -> Desired:
        """The wishes for a host of which this was answered. Raises InputError: nothing was touched."""


@dataclass(frozen=True)
class Job:
    """Who applies what.

    hold_at: a point where the job waits (for tests).
    reboot: the box may be rebooted, once, and is waited for so many minutes.
    """

    who: str
    what: str
    hold_at: str = ""
    reboot: bool = False
    reboot_minutes: float = REBOOT_MINUTES


@dataclass
class Outcome:
    """What happened to one host.

    said: what the box's job noted, which its events have shown already.
    pending: what only a reboot makes so (Risk.REBOOT); no failure.
    later: what waits for another run; see Desired.
    lost: a reboot did not end well, in words that follow the host's name: others had better be left alone.
    """

    host: str
    changes: list[Change] = field(default_factory=list)
    remaining: list[Change] = field(default_factory=list)
    pending: list[Change] = field(default_factory=list)
    error: str = ""
    log: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)
    round_trips: int = 0
    applied: bool = False
    later: tuple[str, ...] = ()
    lost: str = ""

    @property
    def ok(self) -> bool:
        """Nothing is left to do and nothing went wrong."""
        return not self.error and (not self.applied or not self.remaining)
