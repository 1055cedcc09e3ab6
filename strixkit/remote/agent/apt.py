"""Debian's package manager: what is installed, and installing it while others may hold its lock."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from typing import Any, Callable, Dict, List, Tuple

from strixkit.remote.agent import loader
from strixkit.remote.agent.atomic import read_text

Report = Callable[[str], None]
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
WAIT_SECONDS = 300
# Nothing is removed for an installation, and no configuration of the box is replaced.
INSTALL = ("--no-install-recommends", "--no-remove", "-o", "Dpkg::Options::=--force-confold", "install")
FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux: type, whence, start, length, pid


def installed(names: List[str]) -> Dict[str, str]:
    """Return name -> installed version of those of `names` that are installed."""
    return {name: version for name, (status, version) in states(names).items() if status == "installed"}


def states(names: List[str]) -> Dict[str, Tuple[str, str]]:
    """Return name -> (dpkg's status, version) of those that dpkg knows; one call for all.

    A package of a foreign architecture is another one, and as apt names it: `libvulkan1:i386`.
    """
    if not names:
        return {}
    shown = "--showformat=${Package}\t${Architecture}\t${db:Status-Status}\t${Version}\n"
    done = subprocess.run(
        ["dpkg-query", "--show", shown, "--", "dpkg", *names],  # dpkg's own architecture is the box's
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    rows = [row for row in (line.split("\t") for line in done.stdout.splitlines()) if len(row) == 4]
    native = {"all", "", *(row[1] for row in rows if row[0] == "dpkg")}
    return {
        package if architecture in native else "%s:%s" % (package, architecture): (status, version)
        for package, architecture, status, version in rows
        if package in names
    }


def holder(path: str) -> str:
    """Return who holds the lock file, as `PID (command)`, or an empty string."""
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        return ""
    try:
        question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = struct.unpack(FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, question))
    finally:
        os.close(fd)
    if answer[0] == fcntl.F_UNLCK:
        return ""
    command = (read_text("/proc/%d/cmdline" % answer[4]) or "").replace("\0", " ").strip()
    return "%d (%s)" % (answer[4], command or "unknown")


def wait_for_lock(report: Report, seconds: float = WAIT_SECONDS) -> None:
    """Wait until nobody holds a package lock; raises RuntimeError that names the holder after `seconds`."""
    end = time.monotonic() + seconds
    said = ""
    while True:
        holders = [(path, who) for path in LOCKS for who in [holder(path)] if who]
        if not holders:
            return
        path, who = holders[0]
        if time.monotonic() > end:
            raise RuntimeError("%s is still locked by process %s after %d s" % (path, who, seconds))
        if who != said:
            report("waiting for apt: %s is locked by process %s" % (path, who))
            said = who
        time.sleep(0.5)


def apt_get(*words: str) -> None:
    """Run apt-get, which asks nothing. Raises RuntimeError with the last lines that it said."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    # Ubuntu's needrestart would restart services by itself, also ours, which no plan says. Its next run does that.
    environment["NEEDRESTART_SUSPEND"] = "1"
    command = ["apt-get", "--yes", "--quiet", "-o", "DPkg::Lock::Timeout=60", *words]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    if done.returncode != 0:
        verb = next(word for word in words if word in ("update", "install", "remove", "purge"))
        tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise RuntimeError("apt-get %s failed (exit %d):\n%s" % (verb, done.returncode, "\n".join(tail)))


def _update(report: Report) -> None:
    """Read the lists again; apt-get itself does not wait for the lock of the lists."""
    try:
        apt_get("update")
    except RuntimeError as error:
        if "Could not get lock" not in str(error):
            raise
        wait_for_lock(report)
        apt_get("update")


def make_ready(step: Dict[str, Any], report: Report) -> None:
    """Wait for others, and finish what an interrupted dpkg left behind."""
    wait_for_lock(report, float(step.get("wait_seconds", WAIT_SECONDS)))
    subprocess.run(["dpkg", "--configure", "-a"], stdin=subprocess.DEVNULL, capture_output=True)


def install(step: Dict[str, Any], report: Report) -> None:
    """Install packages; finishes first what an interrupted dpkg left behind.

    Nothing is removed for it: what goes from a box is in the plan, and a conflict that is not fails here.
    """
    names = [str(name) for name in step["packages"]]
    make_ready(step, report)
    report("apt-get update")
    _update(report)
    _complete(report)
    report("apt-get install " + " ".join(names))
    apt_get(*INSTALL, "--", *names)
    loader.refresh()  # dpkg's trigger does it for Debian's own folders, and not every package elsewhere has one


def _complete(report: Report) -> None:
    """Install what unpacked packages need: apt installs nothing else while they are without it.

    Power that goes while dpkg unpacks leaves such, and `dpkg --configure -a` cannot end it.
    """
    if subprocess.run(["apt-get", "check"], stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
        report("apt-get --fix-broken install")
        apt_get("--fix-broken", *INSTALL)
