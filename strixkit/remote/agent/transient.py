"""A module of the agent as somebody who is not root, in a transient unit: nothing is written to the box for it."""

from __future__ import annotations

import itertools
import json
import os
import pwd
import subprocess
from typing import Any, List, Sequence

from strixkit.remote.agent import program

# What a unit may not that has no business with devices, other processes, or the machine's settings.
LOCKED_DOWN = (
    "UMask=0022",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "PrivateIPC=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
)
ANSWER_BYTES = 80 << 20
NUMBERS = itertools.count()
GRACE_SECONDS = 60  # for the client, beyond the unit's own limit
# Reads this agent's zip and then its request from stdin, so that nothing is written for it.
BOOTSTRAP = (
    "import sys,os;"
    'fd=os.memfd_create("strixkit");'
    "os.write(fd,sys.stdin.buffer.read(%d));"
    'sys.path.insert(0,"/proc/self/fd/%%d" %% fd);'
    "from %s import main;"
    "sys.exit(main())"
)


def run(
    name: str, module: str, request: Any, *, user: "Sequence[str]", properties: "Sequence[str]", limit: float
) -> Any:
    """Run `main` of a module in a unit strixkit-<name>-*; returns the JSON value that it printed.

    request: a JSON value, on its stdin. user: from `as_user`. limit: seconds, then the unit is ended. Whoever it ran
    as, the answer is not to be trusted. Raises ValueError with its last words, OSError and subprocess.TimeoutExpired.
    """
    zipped = program.zipped()
    # A name for each: systemd may not have forgotten the one before yet.
    unit = "strixkit-%s-%d-%d.service" % (name, os.getpid(), next(NUMBERS))
    command = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--service-type=exec", "--unit=" + unit]
    command += ["--property=" + word for word in properties] + ["--property=RuntimeMaxSec=%d" % limit, *user]
    command += ["--description=strixkit " + name, "python3", "-I", "-S", "-c", BOOTSTRAP % (len(zipped), module)]
    try:
        done = subprocess.run(
            command, input=zipped + json.dumps(request).encode(), capture_output=True, timeout=limit + GRACE_SECONDS
        )
    finally:
        # The client may be gone before the unit is.
        subprocess.run(["systemctl", "stop", "--", unit], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError("exit %d%s" % (done.returncode, ": " + said[-1][:300] if said else ""))
    if len(done.stdout) > ANSWER_BYTES:
        raise ValueError("an answer of %d bytes" % len(done.stdout))
    return json.loads(done.stdout)


def as_user(name: str) -> "List[str]":
    """As the service's user, or before the first deploy as one that systemd makes up for the moment. Never as root."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return ["--property=DynamicUser=yes"]
    if entry.pw_uid == 0:
        raise ValueError("the service's user is root")
    return ["--uid=%s" % name, "--gid=%d" % entry.pw_gid]
