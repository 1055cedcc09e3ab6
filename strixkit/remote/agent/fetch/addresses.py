"""By which addresses other machines may reach this box."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from typing import Any, List

SECONDS = 10


def addresses() -> "List[str]":
    """The one that ssh came to first, then all others that are no loopback; loopback only if ssh came by it."""
    reached = by_ssh()
    found = [reached] if reached else []
    return found + [address for address in configured() if address not in found]


def by_ssh() -> str:
    """The address that the ssh connection came to; empty when there is none. sudo keeps it from the environment."""
    pid = os.getpid()
    while pid > 1:
        address = server_address(_read("/proc/%d/environ" % pid))
        if address:
            return address
        pid = parent(_read("/proc/%d/stat" % pid))
    return ""


def server_address(environment: bytes) -> str:
    """Pure: the third word of SSH_CONNECTION, without a zone; empty when it is none."""
    for item in environment.split(b"\0"):
        name, _, value = item.partition(b"=")
        words = value.decode("ascii", "replace").split()
        if name == b"SSH_CONNECTION" and len(words) == 4:
            return _checked(words[2].partition("%")[0])
    return ""


def _checked(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def parent(stat: bytes) -> int:
    """Pure: the parent in /proc/PID/stat; 0 when it cannot be told. A program's name may have any bytes."""
    words = stat.rpartition(b")")[2].split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def configured() -> "List[str]":
    """Global addresses of the interfaces that are up, as `ip` names them."""
    words = ["ip", "-json", "address", "show", "up", "scope", "global"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
        links: Any = json.loads(done.stdout)
        found = [_checked(str(one["local"])) for link in links for one in link.get("addr_info", []) if "local" in one]
    except (OSError, ValueError, AttributeError, subprocess.TimeoutExpired):
        return []
    return [address for address in found if address and not ipaddress.ip_address(address).is_loopback]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            return handle.read(1 << 20)
    except OSError:
        return b""
