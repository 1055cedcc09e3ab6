"""The machine's power profile, by tuned or by power-profiles-daemon: what is active, and whether it took."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, Dict, List

from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report

# A setting that this kernel does not have is no fault: the scheduler's sched_min_granularity_ns went with Linux 6.6.
VERIFY = ("tuned-adm", "verify", "--ignore-missing")
SECONDS = 60  # tuned-adm is a Python program that waits for the daemon
TUNED_LOG = "/var/log/tuned/tuned.log"
LOG_BYTES = 1 << 20


def tuned(question: Dict[str, Any]) -> Dict[str, Any]:
    """The active profile, and whether the system's settings are the profile's. No profile: tuned does not run."""
    machine = Machine()
    done = machine.run("tuned-adm", "active", seconds=SECONDS)
    match = re.search(r"^Current active profile: (.+)$", done[1], re.MULTILINE) if done else None
    active = match.group(1).strip() if match else ""
    verified = False
    if active == question["profile"]:
        checked = machine.run(*VERIFY, seconds=SECONDS)
        verified = checked is not None and checked[0] == 0
    return {"profile": active, "verified": verified}


def set_tuned(step: Dict[str, Any], report: Report) -> None:
    """Switch to a profile; what of it does not take is told, and the next look finds it as a difference."""
    profile = str(step["profile"])
    before = os.path.getsize(TUNED_LOG) if os.path.exists(TUNED_LOG) else 0
    _run("tuned-adm", "profile", profile)
    if not tuned({"profile": profile})["verified"]:
        said = _failed(before)
        report.note("tuned-adm verify fails for %s: %s" % (profile, "; ".join(said) or "see " + TUNED_LOG))


def _failed(before: int) -> List[str]:
    """The settings that tuned found otherwise, each once: what its log has of that from byte `before` on."""
    try:
        with open(TUNED_LOG, "rb") as handle:
            handle.seek(before)
            log = handle.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return list(dict.fromkeys(re.findall(r"verify: failed: (.+)$", log, re.MULTILINE)))[:5]


def power_profile(question: Dict[str, Any]) -> Dict[str, Any]:
    """The profile that power-profiles-daemon says it has; none: it does not run."""
    done = Machine().run("powerprofilesctl", "get", seconds=SECONDS)
    return {"profile": done[1].strip() if done and done[0] == 0 else ""}


def set_power_profile(step: Dict[str, Any], report: Report) -> None:
    """Switch to a profile."""
    _run("powerprofilesctl", "set", str(step["profile"]))


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command), (done.stderr or done.stdout).strip()))
