"""A child process with a limit of time and of output, that can ask nobody anything."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

PIECE = 1 << 16


class TooSlowError(Exception):
    """The time is over; the child was ended."""


class TooMuchError(Exception):
    """It says more than is wanted; the child was ended."""


@dataclass(frozen=True)
class Finished:
    """What it left: exit code (a signal as a negative number), stdout and stderr."""

    code: int
    out: bytes
    err: bytes


def run(command: Sequence[str], environment: Mapping[str, str], *, seconds: float, most_bytes: int) -> Finished:
    """Run it to its end, in a session of its own: without a terminal, ssh and git have nobody to ask for a password.

    most_bytes: of stdout and stderr together. Raises TooSlowError, TooMuchError, and FileNotFoundError for a
    program that is not there. Whatever happens, neither it nor a child of it is left.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    deadline = time.monotonic() + seconds
    try:
        out, err = _read(child.stdout, child.stderr, deadline, most_bytes)
        return Finished(child.wait(max(deadline - time.monotonic(), 0)), out, err)
    except subprocess.TimeoutExpired:
        raise TooSlowError from None
    finally:
        if child.returncode is None:
            # The whole group: git leaves the network to a child of its own. Nobody has waited for ours yet, so its
            # number cannot be another's.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        child.stdout.close()
        child.stderr.close()


def _read(out: IO[bytes], err: IO[bytes], deadline: float, most_bytes: int) -> tuple[bytes, bytes]:
    found = {stream.fileno(): bytearray() for stream in (out, err)}
    with selectors.DefaultSelector() as selector:
        for number in found:
            selector.register(number, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                raise TooSlowError
            for key, _ in ready:
                piece = os.read(key.fd, PIECE)
                if not piece:
                    selector.unregister(key.fd)
                found[key.fd] += piece
                if sum(map(len, found.values())) > most_bytes:
                    raise TooMuchError
    return bytes(found[out.fileno()]), bytes(found[err.fileno()])
