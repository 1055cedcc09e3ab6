"""Errors that a person reads: the host, the thing, what was found, what was wanted, what to type next."""

from __future__ import annotations


class StrixError(Exception):
    """Base of all expected failures; `exit_code` is what the command ends with."""

    exit_code = 1

    def __init__(self, message: str, *, host: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.hint = hint

    @property
    def text(self) -> str:
        """What happened and the next step, for where the host is named already."""
        return self.message + (f"\n  next: {self.hint}" if self.hint else "")

    def __str__(self) -> str:
        return f"{self.host}: {self.text}" if self.host else self.text


class InputError(StrixError):
    """Bad input by the user: nothing was touched."""

    exit_code = 2


class LockedError(StrixError):
    """Another run holds the lock of the box."""

    exit_code = 75


class ConnectError(StrixError):
    """The box could not be reached, or did not let us in."""


class DeniedError(ConnectError):
    """Another try would change nothing, and may do harm: a host key that is not the known one, a wrong password."""


class RemoteError(StrixError):
    """The agent on the box failed or answered nonsense."""
