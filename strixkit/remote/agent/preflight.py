"""What would make a release fail at once, found before anything is stopped for it."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, systemd

HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # by ProtectHome= and PrivateTmp= of the unit


class ActivationError(RuntimeError):
    """The release is not in service; carries the server's last lines."""

    def __init__(self, message: str, log: "List[str]") -> None:
        super().__init__(message)
        self.log = log


def preflight(manifest: "Dict[str, Any]", running: "Dict[str, str]") -> None:
    """Find what would make the server fail at once. Raises RuntimeError."""
    model = str(manifest["model"]["path"])
    if not os.path.isfile(model):
        raise RuntimeError("model %s is not on the box" % model)
    if not os.access(str(manifest["argv"][0]), os.X_OK):
        raise RuntimeError("runtime %s is not on the box" % manifest["argv"][0])
    for path in (model, str(manifest["argv"][0])):
        _check_visible(os.path.realpath(path))
    if _as_user(manifest, ["head", "-c", "4", "--", model]).returncode != 0:
        raise RuntimeError("user %s may not read model %s" % (manifest["user"], model))
    for path in running.get("DropInPaths", "").split():
        if "ExecStart=" in (atomic.read_text(path) or ""):
            raise RuntimeError("%s replaces ExecStart, so no release could run as rendered: remove it" % path)
    port = int(manifest["port"])
    _check_address(str(manifest["gate_address"]), port)
    ours = int(running.get("MainPID", "0") or 0)
    others = [pid for pid in systemd.listeners(port) if pid != ours]
    if others:
        # Its name only: a command line may hold an API key.
        name = atomic.read_text("/proc/%d/comm" % others[0]) or "unknown"
        raise RuntimeError("port %d is taken by process %d (%s)" % (port, others[0], name))
    done = _as_user(manifest, [_without_credentials(word) for word in manifest["argv"]] + ["--version"])
    if done.returncode != 0:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise ActivationError("the server does not accept its arguments", lines[-20:])


def _check_address(address: str, port: int) -> None:
    """The service's user may listen there: the address is the box's, the port is none of root's."""
    first = int(atomic.read_text("/proc/sys/net/ipv4/ip_unprivileged_port_start") or 1024)
    if port < first:
        raise RuntimeError("port %d is for root only on this box (below %d): set another one" % (port, first))
    family, kind, _, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        try:
            probe.bind(place)
        except OSError as error:
            raise RuntimeError(
                "the service is to listen on %s, which is none of this box's: %s" % (address, error)
            ) from error


def _check_visible(path: str) -> None:
    """The unit's sandbox hides home directories and gives the service a /tmp of its own."""
    if path.startswith(HIDDEN):
        raise RuntimeError("%s is not seen by the service: its unit hides %s" % (path, ", ".join(HIDDEN)))


def _without_credentials(word: str) -> str:
    return "/dev/null" if word.startswith("%d/") else word


def _as_user(manifest: "Dict[str, Any]", argv: "List[str]") -> "subprocess.CompletedProcess[bytes]":
    """Run a program as the service's user, with the service's environment.

    The server with `--version` last checks every argument before it, and loads nothing.
    """
    entry = pwd.getpwnam(str(manifest["user"]))
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(manifest["environment"], PATH="/usr/bin:/bin", HOME="/", LC_ALL="C.UTF-8"),
        cwd="/",
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=os.getgrouplist(entry.pw_name, entry.pw_gid),
        timeout=120,
    )
