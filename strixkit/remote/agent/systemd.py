"""Reading systemd and the processes that it runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from typing import Any, Dict, List

from strixkit.remote.agent.atomic import read_text

PROPERTIES = "Id,ActiveState,UnitFileState,MainPID,DropInPaths,NeedDaemonReload"
DIGEST = b"STRIXKIT_DIGEST="
SYNC_SECONDS = 10
READ_SECONDS = 30
TAIL_BYTES = 1 << 20


def systemctl(*words: str, check: bool = True) -> str:
    """Run systemctl; raises RuntimeError with its own words when it fails and `check` is set."""
    done = subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if not line.startswith('See "systemctl')]
        raise RuntimeError("systemctl %s: %s" % (" ".join(words), " ".join(said).strip()))
    return done.stdout


def show(names: List[str]) -> Dict[str, Dict[str, str]]:
    """Ask for all units in one call; name -> properties."""
    if not names:
        return {}
    units: Dict[str, Dict[str, str]] = {}
    text = systemctl("show", "--property=" + PROPERTIES, "--", *names)
    for name, block in zip(names, text.strip("\n").split("\n\n")):
        units[name] = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return units


def process(pid: int) -> Dict[str, Any]:
    """What really runs: executable, arguments, and the digest that its unit gave it."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as handle:
            arguments = handle.read().rstrip(b"\0").split(b"\0")
        with open("/proc/%d/environ" % pid, "rb") as handle:
            environment = handle.read().split(b"\0")
        exe = os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return {}
    digests = [word[len(DIGEST) :].decode() for word in environment if word.startswith(DIGEST)]
    return {
        "pid": pid,
        "exe": exe,
        "argv": [word.decode("utf-8", "replace") for word in arguments],
        "digest": digests[0] if digests else "",
    }


def unit(name: str, properties: Dict[str, str]) -> Dict[str, Any]:
    """Everything of one unit: properties, file, running process."""
    pid = int(properties.get("MainPID", "0") or 0)
    return {
        "active": properties.get("ActiveState", ""),
        "enabled": properties.get("UnitFileState", ""),
        "drop_ins": properties.get("DropInPaths", "").split(),
        "reload_needed": properties.get("NeedDaemonReload", "") == "yes",
        "process": process(pid) if pid else {},
    }


def _invocation(name: str) -> str:
    return systemctl("show", "--property=InvocationID", "--value", "--", name, check=False).strip()


def log_head(name: str, limit: int = 4 << 20) -> str:
    """The first bytes that the unit's current run wrote; empty if the journal has none of it (any more)."""
    invocation = _invocation(name)
    if not invocation:
        return ""
    with contextlib.suppress(subprocess.TimeoutExpired):  # a journal that is busy with others shows what it has
        subprocess.run(["journalctl", "--sync"], stdin=subprocess.DEVNULL, capture_output=True, timeout=SYNC_SECONDS)
    command = ["journalctl", "--no-pager", "--quiet", "--output=cat", "_SYSTEMD_INVOCATION_ID=" + invocation]
    return _output(command, limit).decode("utf-8", "replace")


def _output(command: List[str], limit: int) -> bytes:
    """The first bytes that a program wrote before it ended or its time was up."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as reader:
        timer = threading.Timer(READ_SECONDS, reader.kill)
        timer.start()
        try:
            return reader.stdout.read(limit) if reader.stdout else b""
        finally:
            timer.cancel()
            reader.kill()


def log_tail(name: str, lines: int = 60) -> List[str]:
    """The last lines that the unit's current or last run wrote, with what systemd said of it (`oom-kill`)."""
    invocation = _invocation(name)
    match = ["--unit", name]
    if invocation:
        # The second field can be written by anybody, so it counts for PID 1 only.
        match = ["_SYSTEMD_INVOCATION_ID=" + invocation, "+", "INVOCATION_ID=" + invocation, "UNIT=" + name, "_PID=1"]
    command = ["journalctl", "--no-pager", "--output=cat", "--lines=%d" % lines, *match]
    return _output(command, TAIL_BYTES).decode("utf-8", "replace").splitlines()


def listeners(port: int) -> List[int]:
    """Return the processes that listen on a TCP port (0 stands for one that cannot be named)."""
    wanted = "%04X" % port
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read_text(table, 1 << 22) or "").splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[1].rpartition(":")[2] == wanted:
                inodes.add("socket:[%s]" % words[9])
    if not inodes:
        return []
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir("/proc/%s/fd" % pid):
                if os.readlink("/proc/%s/fd/%s" % (pid, fd)) in inodes:
                    found.add(int(pid))
        except OSError:
            continue
    return sorted(found) or [0]
