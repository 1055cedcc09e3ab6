"""Why the agent did not start, from what the box said. All words are English: `sudo.command` sets LC_ALL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from strixkit.errors import ConnectError, DeniedError, RemoteError

if TYPE_CHECKING:
    from paramiko import Channel

# sudo-rs wraps the prompt in its own words, so it is looked for anywhere in the text.
PROMPT = "strixkit-sudo-password:"
# A program may close its output and go on running.
STATUS_SECONDS = 10
NO_RIGHT = ("not in the sudoers", "not allowed", "may not run sudo", "i'm afraid i can't")
# sudo's words, and those of sudo-rs.
WRONG_PASSWORD = ("sorry, try again", "incorrect password attempt", "incorrect authentication attempt")
WRONG_PASSWORD_RS = "authentication failed"
PASSWORD_WANTED = ("password is required", "authentication is required", "no password was provided")
MISSING = r"\b{}'?: (?:command )?(?:not found|no such file)"


def ended(host: str, channel: Channel, said: bytes = b"") -> ConnectError:
    """The error for a channel that ended before the agent started. `said` was read of its stderr already."""
    try:
        while data := channel.recv_stderr(1 << 16):
            said += data
    except OSError:
        return lost(host, "nothing more was heard before the agent started")
    if not channel.status_event.wait(STATUS_SECONDS) or (status := channel.recv_exit_status()) == -1:
        return lost(host, "the connection ended before the agent started")
    return failed(host, status, said.decode("utf-8", "replace").replace(PROMPT, "\n"))


def lost(host: str, why: str) -> ConnectError:
    """The error for a connection that is gone."""
    return ConnectError(
        f"the connection was lost ({why}); work that had begun goes on there by itself",
        host=host,
        hint="the same command again: it attaches to what still runs, and does what is left",
    )


def failed(host: str, status: int, said: str) -> ConnectError:
    """The error for a start that ended with this status and these words on stderr."""
    text = said.lower()
    if old := re.search(r"python3 is [0-9.]+", text):
        hint = "a newer release of the distribution, or a newer python3 first in the PATH of the ssh user"
        return ConnectError(f"{old[0]}; 3.9 or newer is needed", host=host, hint=hint)
    if name := next((name for name in ("python3", "sudo") if re.search(MISSING.format(name), text)), None):
        other = " or, in inventory.yaml, ansible_user: root" if name == "sudo" else ""
        return ConnectError(
            f"there is no {name} on the box", host=host, hint=f"as root on the box: apt-get install {name}{other}"
        )
    if any(words in text for words in NO_RIGHT):
        return ConnectError(
            f"the user has no right to sudo: {last_line(said)}",
            host=host,
            hint="as root on the box: usermod -aG sudo USER, or set ansible_user in inventory.yaml",
        )
    if any(words in text for words in WRONG_PASSWORD) or ("sudo" in text and WRONG_PASSWORD_RS in text):
        return wrong_password(host)
    if any(words in text for words in PASSWORD_WANTED):
        return ConnectError(
            "sudo wants a password (or the user has no right to sudo)",
            host=host,
            hint="the same command with --prompt-sudo-password, or give the user NOPASSWD in /etc/sudoers.d",
        )
    return ConnectError(
        f"the agent did not start (exit {status}): {last_line(said) or 'no reason was given'}", host=host
    )


def wrong_password(host: str) -> DeniedError:
    """The error for a password that sudo does not take."""
    return DeniedError("sudo: wrong password", host=host, hint="the same command again, with the right password")


def noise(host: str, printed: bytes) -> RemoteError:
    """The error for a shell that prints where the agent's answers are expected."""
    line = next((line for line in printed.decode("utf-8", "replace").splitlines() if line.strip()), "")
    return RemoteError(
        f"not an answer of the agent: {line.strip()[:200]!r}; the login shell of the ssh user (or a ForceCommand) "
        "prints this before any command",
        host=host,
        hint="print in ~/.bashrc and the like only if the shell is interactive, e.g. after: "
        "case $- in *i*) ;; *) return ;; esac",
    )


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
