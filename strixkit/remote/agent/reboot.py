"""Rebooting the box. Its services end first; if the reboot does not come about, they run again, whatever happened here.

What was ended is written down before, in /run: a job that is killed in between is cleaned up after from that.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, journal, paths, systemd
from strixkit.remote.agent.report import Report

STOPPED = paths.RUN + "/stopped.json"  # gone with the reboot
SERVICES = "llama-server-*.service"
RUNNING = "active,activating,reloading"
# Programs may delay a shutdown for a moment (logind.conf: InhibitDelayMaxSec, 5 s unless somebody says otherwise).
GOING_DOWN_SECONDS = 120
DEVICES_SECONDS = 60


def boot(*, settle: bool) -> Dict[str, Any]:
    """Which boot this is, and whether a job is at work. settle: not before the devices of the start are there."""
    from strixkit.remote.agent import lock

    if settle:
        _run("udevadm", "settle", "--timeout=%d" % DEVICES_SECONDS)
    boot_id = atomic.read_text("/proc/sys/kernel/random/boot_id") or ""
    return {"boot_id": boot_id, "busy": lock.state() is not None}


def reboot(step: Dict[str, Any], report: Report) -> None:
    """End the services, reboot, and return when the box is going down. Raises RuntimeError: it stays up."""
    held = blockers()
    if held:
        raise RuntimeError("a program forbids it at the moment: %s; systemd-inhibit --list shows it" % "; ".join(held))
    services = _running()
    atomic.write_json(STOPPED, services)
    try:
        report("stop services")
        if services:
            systemd.systemctl("stop", "--", *services)
        boot_id = boot(settle=False)["boot_id"]
        entry = {key: step.get(key, "") for key in ("who", "what", "why")}
        journal.append(dict(entry, event="reboot", boot_id=boot_id, services=services))
        report("reboot")
        # The shutdown ends all units, this one too: it has a word to say yet.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        systemd.systemctl("reboot")
        _wait_until_going_down()
    except Exception as error:  # whatever went wrong, the services must run again
        raise RuntimeError("%s; %s" % (error, restart())) from error


def blockers() -> List[str]:
    """Who forbids a reboot at the moment, e.g. a package manager at work.

    Root's `systemctl reboot` asks nobody before systemd 257.
    """
    bus = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "ListInhibitors")
    try:
        rows = json.loads(_run("busctl", "--json=short", "call", *bus))["data"][0]
        return ["%s (%s)" % (who, why) for what, who, why, mode, *_ in rows if "shutdown" in what and mode == "block"]
    except (ValueError, KeyError, IndexError, TypeError):  # without logind nobody can forbid it
        return []


def going_down() -> bool:
    """Whether the box shuts down."""
    return systemd.systemctl("is-system-running", check=False).strip() == "stopping"


def restart() -> str:
    """Start what was stopped for a reboot that does not come about; says what became of it. Raises nothing."""
    failed = []
    services = atomic.read_json(STOPPED) or []
    if going_down():
        return "the box is going down"
    for name in services:
        try:
            systemd.systemctl("start", "--", str(name))
        except RuntimeError as error:
            failed.append(str(error))
    with contextlib.suppress(OSError):
        os.unlink(STOPPED)
    if failed:
        return "its services were started again, but: " + "; ".join(failed)
    return "%s runs again" % ", ".join(services) if services else "no service was stopped for it"


def interrupted() -> bool:
    """Whether services are stopped for a reboot; without a running job nobody will start them."""
    return os.path.exists(STOPPED)


def _wait_until_going_down() -> None:
    end = time.monotonic() + GOING_DOWN_SECONDS
    while not going_down():
        if time.monotonic() > end:
            raise RuntimeError("systemctl reboot was accepted, and %d s later nothing goes down" % GOING_DOWN_SECONDS)
        time.sleep(0.2)


def _running() -> List[str]:
    words = ("list-units", "--plain", "--no-legend", "--full", "--state=" + RUNNING, "--", SERVICES)
    return [line.split()[0] for line in systemd.systemctl(*words).splitlines() if line.strip()]


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout
