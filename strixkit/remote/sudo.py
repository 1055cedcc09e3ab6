"""Becoming root on the box: as root, by sudo without a password, or with one. Never hangs at a prompt."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from strixkit.errors import ConnectError
from strixkit.remote import start
from strixkit.remote.start import PROMPT
from strixkit.secret import Secret

if TYPE_CHECKING:
    from paramiko import Channel

PROMPT_SECONDS = 30
# The agent says this when it runs. Before it, a login shell may have printed what it likes.
STARTED = b"strixkit agent started\n"
MOST_PRINTED = 1 << 20


def command(argv: list[str], *, become: bool, password: bool) -> str:
    """Return the command line, quoted for any POSIX login shell."""
    # In the user's own language, sudo's reasons could not be told apart.
    argv = ["env", "LC_ALL=C", *(_sudo(password) if become else []), *argv]
    return shlex.join(argv)


def _sudo(password: bool) -> list[str]:
    return ["sudo", *(["-S", "-p", PROMPT] if password else ["-n"]), "--"]


def answer_prompt(channel: Channel, password: Secret, host: str) -> None:
    """Give the password once and wait until the program says `STARTED`. Raises ConnectError."""
    end = time.monotonic() + PROMPT_SECONDS
    said = printed = b""
    given = False
    while STARTED not in printed:
        if time.monotonic() > end or len(said + printed) > MOST_PRINTED:
            last = start.last_line((printed + said).decode("utf-8", "replace"))[:200]
            raise ConnectError(
                f"the agent did not start by sudo within {PROMPT_SECONDS} s; the last words were: {last or 'none'}",
                host=host,
            )
        if channel.recv_stderr_ready():
            said += channel.recv_stderr(1 << 16)
        elif channel.recv_ready():
            printed += channel.recv(1 << 16)
        elif channel.exit_status_ready():
            raise start.ended(host, channel, said)
        else:
            time.sleep(0.01)
        prompts = said.count(PROMPT.encode())
        if prompts > 1:
            # A second prompt would take what comes next as passwords, and could lock the account.
            raise start.wrong_password(host)
        if prompts == 1 and not given:
            given = True
            try:
                channel.sendall(password.reveal().encode() + b"\n")
            except OSError as error:
                raise start.ended(host, channel, said) from error
