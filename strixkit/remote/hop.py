"""One ssh connection on the way to a host, from what `ssh -G` prints."""

from __future__ import annotations

import os
import pwd
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from strixkit.remote.target import Target

CONNECT_SECONDS = 15
AGENT_VARIABLE = "SSH_AUTH_SOCK"
SSH_PORT = 22

# Values by lower-case name, in the order in which ssh prints them.
Options = dict[str, list[str]]


@dataclass(frozen=True)
class Hop:
    """One ssh connection on the way, resolved.

    asked: what the inventory or a ProxyJump calls it.
    known_name: its name in known_hosts.
    identities: private key files in ssh's order; `explicit` is the inventory's.
    agent: socket of the ssh agent.
    proxy_command: a command to talk through instead of a TCP connection.
    """

    asked: str
    hostname: str
    port: int
    user: str
    jump: bool
    known_name: str
    user_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    hash_known_hosts: bool
    explicit: Path | None
    identities: tuple[Path, ...]
    identities_only: bool
    agent: str | None
    proxy_command: str | None
    timeout: int

    @property
    def known_hosts(self) -> tuple[Path, ...]:
        """Every known_hosts file that counts for it."""
        return (*self.user_known_hosts, *self.global_known_hosts)

    def __str__(self) -> str:
        name = f"{self.asked} ({self.known_name})" if self.asked != self.known_name else self.asked
        return f"jump host {name}" if self.jump else name


def resolved(asked: str, options: Options, target: Target | None, explicit: Path | None = None) -> Hop:
    """The hop that `ssh -G` describes. `target` is None for jump hosts: what the inventory says is not for them."""
    tokens = tokens_of(asked, options)
    port = int(one(options, "port"))
    hostname = one(options, "hostname")
    own = target.known_hosts if target else None
    timeout = one(options, "connecttimeout")
    identities = [_path(value, tokens) for value in options.get("identityfile", []) if value != "none"]
    return Hop(
        asked=asked,
        hostname=hostname,
        port=port,
        user=one(options, "user"),
        jump=target is None,
        known_name=tokens["k"] if port == SSH_PORT or "hostkeyalias" in options else f"[{tokens['k']}]:{port}",
        user_known_hosts=(Path(own).expanduser(),) if own else _files(options, "userknownhostsfile", tokens),
        global_known_hosts=() if own else _files(options, "globalknownhostsfile", tokens),
        hash_known_hosts=not own and one(options, "hashknownhosts") == "yes",
        explicit=explicit,
        identities=tuple(identities),
        identities_only=one(options, "identitiesonly") == "yes",
        agent=_agent(options.get("identityagent", [AGENT_VARIABLE])[0], tokens),
        proxy_command=expand(one(options, "proxycommand"), tokens) or None,
        timeout=int(timeout) if timeout.isdigit() and int(timeout) else CONNECT_SECONDS,
    )


def one(options: Options, name: str) -> str:
    """The value of an option; empty if it is not set or `none`."""
    value = options.get(name, [""])[0]
    return "" if value == "none" else value


def tokens_of(asked: str, options: Options) -> dict[str, str]:
    """ssh_config's %-tokens; `ssh -G` leaves most of them as they are."""
    user, hostname, machine = pwd.getpwuid(os.getuid()), one(options, "hostname"), socket.gethostname()
    return {
        "%": "%",
        "d": user.pw_dir,
        "h": hostname,
        "i": str(user.pw_uid),
        "k": (one(options, "hostkeyalias") or hostname).lower(),
        "L": machine.partition(".")[0],
        "l": machine,
        "n": asked,
        "p": one(options, "port"),
        "r": one(options, "user"),
        "u": user.pw_name,
    }


def expand(text: str, tokens: dict[str, str]) -> str:
    """`text` with its %-tokens replaced."""
    return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _path(text: str, tokens: dict[str, str]) -> Path:
    # ssh takes the home directory of the account, whatever $HOME says.
    text = re.sub(r"^~(?=/|$)", lambda _: tokens["d"], text)
    text = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), expand(text, tokens))
    return Path(os.path.expanduser(text))  # unlike Path.expanduser, it leaves ~unknown as it is


def _files(options: Options, name: str, tokens: dict[str, str]) -> tuple[Path, ...]:
    # `ssh -G` prints names with spaces in them without quotes: a name is taken to begin as paths do.
    names = re.split(r"\s+(?=[/~$%])", one(options, name))
    return tuple(_path(text, tokens) for text in names if text)


def _agent(text: str, tokens: dict[str, str]) -> str | None:
    if text == "none":
        return None
    if text == AGENT_VARIABLE or re.fullmatch(r"\$\w+", text):
        return os.environ.get(text.removeprefix("$"))
    return str(_path(text, tokens))
