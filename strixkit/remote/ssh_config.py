"""The way to a host as `ssh` would go it: every hop as `ssh -G` resolves it, in the order of dialling."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from strixkit.errors import ConnectError
from strixkit.remote.hop import Hop, Options, expand, one, resolved, tokens_of
from strixkit.remote.target import Target

RESOLVE_SECONDS = 30  # `Match exec` and name canonicalisation may take their time
MOST_HOPS = 16


def hops(target: Target) -> list[Hop]:
    """Every hop to the target, the first to dial first. Raises ConnectError."""
    explicit = _explicit(target)
    asked, words = target.address, _words(target.user, target.port)
    if explicit is not None:
        words += ["-i", str(explicit)]
    found: list[Hop] = []
    while True:
        options = _ask(target.name, [*words, "--", asked])
        hop = resolved(asked, options, target if not found else None, explicit)
        found.insert(0, hop)
        jumps = expand(one(options, "proxyjump"), tokens_of(asked, options))
        if not jumps:
            return found
        if len(found) == MOST_HOPS:
            way = ", ".join(hop.asked for hop in found[:3])
            raise ConnectError(f"ProxyJump goes on through more than {MOST_HOPS} hosts: ..., {way}", host=target.name)
        # As ssh does it: the last of the list is the next hop, and gets the others by -J. So only the first of them
        # is reached through a ProxyJump of its own.
        others, _, last = jumps.rpartition(",")
        user, _, place = last.rpartition("@")
        port = re.search(r":(\d+)$", place)
        asked, explicit = place.removesuffix(port[0] if port else "").strip("[]"), None
        words = [*_words(user, port and port[1]), *(["-J", others] if others else [])]


def _words(user: str | None, port: int | str | None) -> list[str]:
    return [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]


def _explicit(target: Target) -> Path | None:
    if not target.identity_file:
        return None
    path = Path(target.identity_file).expanduser()
    if not path.is_file():
        raise ConnectError(
            f"there is no private key file {path} (ansible_ssh_private_key_file in the inventory)", host=target.name
        )
    return path


def _ask(host: str, words: list[str]) -> Options:
    """What `ssh -G` says: values by lower-case name."""
    try:
        done = subprocess.run(
            ["ssh", "-T", "-G", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RESOLVE_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConnectError(
            "there is no ssh on this machine, and its ssh -G reads ssh_config",
            host=host,
            hint="apt-get install openssh-client",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConnectError(
            f"ssh -G {words[-1]} did not end within {RESOLVE_SECONDS} s",
            host=host,
            hint="is there a `Match exec` or CanonicalizeHostname in ssh_config that waits?",
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit {done.returncode}"
        hint = f"ssh {words[-1]} must work"
        if "jumphost loop" in said:
            hint = "in ssh_config, before `Host *`: a Host block of the jump host with `ProxyJump none`"
        raise ConnectError(f"ssh -G {words[-1]}: {said}", host=host, hint=hint)
    options: Options = {}
    for line in done.stdout.decode("utf-8", "surrogateescape").splitlines():
        name, _, value = line.partition(" ")
        options.setdefault(name.lower(), []).append(value)
    return options
