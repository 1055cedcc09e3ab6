"""A bridge for the boxes and masquerade for their way out; nothing else of the machine's network is touched."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from strixkit.errors import InputError
from strixkit.sandbox.shell import STATE, run, succeeds

BRIDGE = "strixbr0"
HARDWARE_ADDRESS = "02:00:c6:12:00:01"  # 02: locally administered
TABLE = "strixkit_sandbox"
# 198.18.0.0/15 is reserved for benchmarks (RFC 2544): no home network uses it.
NETWORK = "198.18.0"
GATEWAY = f"{NETWORK}.1"
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FORWARD_WAS_OFF = STATE / "ip_forward-was-off"
RULES = f"""
table ip {TABLE} {{
  chain outward {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {NETWORK}.0/24 oifname != "{BRIDGE}" masquerade
  }}
}}
"""


def address(name: str) -> str:
    """The fixed address of boxNN. Raises InputError for another name."""
    found = re.fullmatch(r"box(\d\d)", name)
    if not found or found[1] == "00":
        raise InputError(f"a box is called box01 to box99, not {name!r}")
    return f"{NETWORK}.{10 + int(found[1])}"


def connect() -> None:
    """Make bridge and masquerade if they are not there."""
    if not succeeds("ip", "link", "show", BRIDGE):
        # With an address of its own: otherwise it takes the lowest of its ports, and changes it as boxes come and go.
        run("ip", "link", "add", BRIDGE, "address", HARDWARE_ADDRESS, "type", "bridge")
        run("ip", "address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
    if not succeeds("nft", "list", "table", "ip", TABLE):
        run("nft", "-f", "-", stdin=RULES)
    if FORWARD.read_text().strip() == "0":
        FORWARD_WAS_OFF.touch()
        FORWARD.write_text("1")


def unplug(pid: int) -> None:
    """Remove the cable of the box whose systemd-nspawn process is `pid`, so that its name is free at once too."""
    for init in psutil.Process(pid).children():
        link = run("nsenter", f"--net=/proc/{init.pid}/ns/net", "ip", "-oneline", "link", "show", "dev", "host0")
        peer = re.search(r"host0@if(\d+):", link)
        name = _interface(int(peer[1])) if peer else None
        if name:
            run("ip", "link", "delete", "dev", name)


def _interface(index: int) -> str | None:
    """The name of this machine's interface with a number, if it is on the boxes' bridge."""
    found = re.search(rf"^{index}: ([^@:]+)", run("ip", "-oneline", "link", "show", "master", BRIDGE), re.MULTILINE)
    return found[1] if found else None


def disconnect() -> None:
    """Take away what `connect` made."""
    if succeeds("nft", "list", "table", "ip", TABLE):
        run("nft", "delete", "table", "ip", TABLE)
    if succeeds("ip", "link", "show", BRIDGE):
        run("ip", "link", "delete", BRIDGE)
    if FORWARD_WAS_OFF.exists():
        FORWARD.write_text("0")
        FORWARD_WAS_OFF.unlink()
