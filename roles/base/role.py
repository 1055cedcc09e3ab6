"""What every box needs: the service's user, its folders."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.errors import InputError
from strixkit.host.context import CREDENTIALS, LIBRARY, MODELS, STATE, USER, HostContext
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.user import Group, User


def resources(host: HostContext) -> Iterator[Resource]:
    """Group and user first, then folders from the top down."""
    if host.facts.init != "systemd":
        found = host.facts.init or "unknown"
        raise InputError(f"PID 1 is {found}, wanted systemd: services need it", host=host.host.name)
    yield Group(name="render", reason="owns /dev/kfd and /dev/dri/renderD*")
    yield Group(name="video", reason="owns /dev/dri/card*")
    yield User(name=USER, groups=("render", "video"), reason="the servers run as their own user, with the GPU's groups")
    yield Directory(path=STATE, reason="journal, releases and models")
    yield Directory(path=f"{STATE}/services", reason="one folder for each service")
    yield Directory(path=MODELS, reason="models")
    yield Directory(path=LIBRARY, reason="helpers of the units")
    yield Directory(path="/etc/strixkit", reason="configuration")
    yield Directory(path=CREDENTIALS, mode=0o700, reason="API keys, root's alone")
