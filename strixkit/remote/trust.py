"""Accepting host keys, hop by hop, each only when the user agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from strixkit.errors import ConnectError
from strixkit.remote.connection import close, connect
from strixkit.remote.hostkeys import HostKeyError, accept
from strixkit.remote.target import Target

# Is asked with the refused key and the file that it would be added to.
Agree = Callable[[HostKeyError, Path], bool]


def refused(target: Target) -> HostKeyError | None:
    """The first hop's key that is not known, None if all are. Raises ConnectError."""
    try:
        close(connect(target, login=False))
    except HostKeyError as error:
        return error
    return None


def trust(target: Target, agree: Agree, *, replace: bool) -> bool:
    """Go the way to the target and accept the key of each hop; returns False as soon as the user does not agree.

    Raises HostKeyError for a changed key unless `replace`, ConnectError.
    """
    last: tuple[str, bytes] | None = None
    while error := refused(target):
        if (error.old and not replace) or (error.hop.known_name, error.key) == last:
            raise error
        last = (error.hop.known_name, error.key)
        files = error.hop.user_known_hosts
        if not files:
            raise ConnectError(
                f"ssh_config has no UserKnownHostsFile for {error.hop}: there is no file to add its key to",
                host=target.name,
            )
        if not agree(error, files[0]):
            return False
        accept(error, files[0], replace=replace)
    return True
