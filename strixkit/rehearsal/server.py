"""Run a llama-server on the rehearsal device: start, wait, perhaps send prompts, read its log, end it.

Stands alone (standard library, Python 3.9): the agent on the box imports this same file.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

from strixkit.rehearsal.arguments import ADDRESS
from strixkit.rehearsal.errors import RehearsalError

# How the device describes itself (native/rehearsal/device.h).
DESCRIPTION = "strixkit rehearsal"
LOG_BYTES = 64 << 20
LIST_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.05
SETTLE_SECONDS = 0.2
SETTLE_LOOKS = 20
SHOWN_LINES = 8


class Outcome(NamedTuple):
    """What a run of the server gave. failure: why it did not become ready or did not answer; empty if it did both.

    answered: the prompts that were answered. seconds: until ready, and all of it.
    """

    log: str
    ready: bool
    answered: int
    failure: str
    ready_seconds: float
    seconds: float


def check_device(program: Sequence[str], environment: dict[str, str], device: str) -> None:
    """Make sure that `device` is the rehearsal's and no real one. Raises RehearsalError.

    program: the server's path, with words before it if it lies in a chroot.
    """
    try:
        done = subprocess.run(
            [*program, "--list-devices"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            timeout=LIST_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RehearsalError(f"the server does not list its devices: {error}") from error
    text = done.stdout.decode("utf-8", "replace")
    found = [line.strip() for line in text.splitlines() if re.match(rf"\s+{re.escape(device)}: ", line)]
    if len(found) == 1 and DESCRIPTION in found[0]:
        return
    if found:
        raise RehearsalError("a real device {} cannot be hidden: {}".format(device, "; ".join(found)[:400]))
    said = [line for line in text.splitlines() if "rehearsal" in line] or text.strip().splitlines()[-SHOWN_LINES:]
    raise RehearsalError("the server did not load the rehearsal device: {}".format("\n".join(said)[:1000]))


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def run(
    command: Sequence[str],
    environment: dict[str, str],
    log: str,
    port: int,
    *,
    prompts: Sequence[int] = (),
    seconds: float = 120,
) -> Outcome:
    """Start the server, send one prompt after the other (lengths in tokens), end it; its log goes to the file `log`.

    seconds: for all of it. Never raises for what the server does.
    """
    began = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    ready_seconds, answered, failure = 0.0, 0, ""
    ready = False
    try:
        failure = wait(process, port, began + seconds)
        ready = not failure
        ready_seconds = time.monotonic() - began
        for number, tokens in enumerate(prompts if ready else ()):
            failure = _prompt(process, port, number, tokens, began + seconds)
            if failure:
                break
            answered += 1
        if ready:
            _settle(log)
    finally:
        end(process)
    with open(log, "rb") as written:
        text = written.read(LOG_BYTES).decode("utf-8", "replace")
    return Outcome(text, ready, answered, failure, ready_seconds, time.monotonic() - began)


def _settle(log: str) -> None:
    """Until the log grows no more: a thread of its own writes it, and no server waits for that at its end."""
    before = -1
    for _ in range(SETTLE_LOOKS):
        size = os.path.getsize(log)
        if size == before:
            return
        before = size
        time.sleep(SETTLE_SECONDS)


def wait(process: subprocess.Popen[bytes], port: int, deadline: float) -> str:
    """Until /health says ok; returns why it never did."""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"the server ended with {process.returncode} before it was ready"
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return ""
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(POLL_SECONDS)
    return "the server was not ready in time"


def _prompt(process: subprocess.Popen[bytes], port: int, number: int, tokens: int, deadline: float) -> str:
    """Send a prompt of so many tokens that shares no beginning with the others; returns why it failed."""
    body = json.dumps(
        {"prompt": prompt_tokens(number, tokens), "n_predict": 4, "ignore_eos": True, "cache_prompt": True}
    )
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=max(1.0, deadline - time.monotonic()))
    try:
        connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read(1 << 20).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        if process.poll() is not None:
            return f"the server ended with {process.returncode} during prompt {number + 1}"
        return f"prompt {number + 1} was not answered: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if response.status == 200 else f"prompt {number + 1}: status {response.status}: {answer[:300]}"


def prompt_tokens(number: int, count: int) -> list[int]:
    """Token ids that every vocabulary has; what they say does not matter to a device that computes nothing."""
    return [3 + (number * 13 + index) % 97 for index in range(count)]


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM lets it log its memory; then SIGKILL, for it and what it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
