"""Becoming root on the box: as root, by sudo without a password, or with one. Never hangs at a prompt."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from strixkit.errors import ConnectError
from strixkit.secret import Secret

if TYPE_CHECKING:
    from paramiko import Channel

# sudo-rs wraps the prompt in its own words, so it is looked for anywhere in the text.
PROMPT = "strixkit-sudo-password:"
PROMPT_SECONDS = 30
STARTED = b"started\n"


def command(argv: list[str], *, become: bool, password: bool) -> str:
    """Return the command line, quoted for any POSIX login shell."""
    if not become:
        return shlex.join(argv)
    return shlex.join(["sudo", *(["-S", "-p", PROMPT] if password else ["-n"]), "--", *argv])


def answer_prompt(channel: Channel, password: Secret, host: str) -> None:
    """Give the password once and wait until the program says `started`. Raises ConnectError."""
    end = time.monotonic() + PROMPT_SECONDS
    said = answered = b""
    given = False
    while STARTED not in answered:
        if channel.recv_stderr_ready():
            said += channel.recv_stderr(1 << 16)
        elif channel.recv_ready():
            answered += channel.recv(len(STARTED) - len(answered))
        elif channel.exit_status_ready():
            raise refused(host, said.decode("utf-8", "replace"), given=given)
        elif time.monotonic() > end:
            raise ConnectError("sudo did not start the agent within 30 s", host=host)
        else:
            time.sleep(0.01)
        prompts = said.count(PROMPT.encode())
        if prompts > 1:
            # A second prompt would take what comes next as passwords, and could lock the account.
            raise ConnectError(
                "sudo: wrong password", host=host, hint="the same command again, with the right password"
            )
        if prompts == 1 and not given:
            channel.sendall(password.reveal().encode() + b"\n")
            given = True


def refused(host: str, said: str, *, given: bool) -> ConnectError:
    """What sudo's (or sudo-rs's) last words mean."""
    text = said.lower()
    if "not in the sudoers" in text or "not allowed" in text or "i'm afraid i can't" in text:
        return ConnectError(
            f"the user has no right to sudo: {_last_line(said)}",
            host=host,
            hint="as root on the box: usermod -aG sudo USER, or set ansible_user in inventory.yaml",
        )
    if given:
        return ConnectError(
            f"sudo: wrong password ({_last_line(said)})",
            host=host,
            hint="the same command again, with the right password",
        )
    if "password is required" in text or "authentication is required" in text:
        return ConnectError(
            "sudo wants a password (or the user has no right to sudo)",
            host=host,
            hint="the same command with --prompt-sudo-password, or give the user NOPASSWD in /etc/sudoers.d",
        )
    return ConnectError(f"the agent did not start: {_last_line(said) or 'no reason was given'}", host=host)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.replace(PROMPT, "").splitlines() if line.strip()]
    return lines[-1] if lines else ""
