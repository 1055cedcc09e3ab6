"""Where a token of the hub may be sent. Pure; for the controller, and for the agent (Python 3.9)."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def place(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def may_carry_token(url: str) -> bool:
    """No third party can read what is sent there: https, or this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def may_have_token(first: str, url: str) -> bool:
    """Whether the token of `first` may be sent to `url`: the same host, encrypted or on this machine."""
    return place(first) == place(url) and may_carry_token(url)
