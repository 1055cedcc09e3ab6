"""Evidence of apt: where ROCm's packages come from, AMD's repositories, their keys and pins."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from strixkit.remote.agent import openpgp
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread

# One of each generation; a package that is not installed is left out.
PACKAGES = ("rocminfo", "hipcc", "rocm-cmake", "rocm-hip-runtime", "rocm-hip-runtime-dev", "hipblas-dev", "rocblas-dev")
AMD = re.compile(r"https?://(?:[a-z0-9.-]+\.)?(?:repo\.radeon\.com|repo\.amd\.com)/\S*")
FIELDS = {"uris": "uris", "suites": "suites", "signed-by": "signed_by", "trusted": "trusted", "enabled": "enabled"}


def _apt(machine: Machine) -> None:
    if not machine.exists("/usr/bin/apt-get"):
        raise Unread("this is no system of apt")


def policy(machine: Machine, request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Installed ones of ROCm's packages: version, candidate, and the repositories that have the installed version."""
    _apt(machine)
    found = machine.run("apt-cache", "policy", "--", *PACKAGES)
    if found is None:
        raise Unread("apt-cache gives no answer")
    return parse_policy(found[1])


def parse_policy(text: str) -> List[Dict[str, Any]]:
    """The packages of `apt-cache policy` that are installed."""
    packages: List[Dict[str, Any]] = []
    installed = False
    for line in text.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            packages.append({"name": line[:-1], "installed": "", "candidate": "", "origins": []})
            installed = False
        elif packages and line.startswith("  Installed:"):
            packages[-1]["installed"] = line.partition(":")[2].strip()
        elif packages and line.startswith("  Candidate:"):
            packages[-1]["candidate"] = line.partition(":")[2].strip()
        elif line.startswith(" *** "):
            installed = True
        elif line.startswith("     ") and not line.startswith("      "):
            installed = False
        elif installed and line.startswith("        "):
            packages[-1]["origins"].append(line.split(None, 1)[1])
    return [package for package in packages if package["installed"] not in ("", "(none)")]


def sources(machine: Machine, request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """AMD's repositories among apt's sources: file, address, suite, key file and its keys, trusted unsigned or not."""
    _apt(machine)
    found: List[Dict[str, str]] = []
    for path in ["/etc/apt/sources.list"] + machine.glob("/etc/apt/sources.list.d/*"):
        text = machine.read(path) or ""
        if path.endswith(".sources"):
            found += _deb822(path, text)
        elif path.endswith(".list"):
            found += _one_line(path, text)
    return [dict(source, keys=_keys(machine, source["signed_by"])) for source in found if AMD.match(source["uris"])]


def _keys(machine: Machine, path: str) -> Optional[List[str]]:
    """The fingerprints in a key file."""
    try:
        with open(machine.root + path, "rb") as handle:
            return openpgp.fingerprints(openpgp.binary(handle.read(openpgp.MOST_BYTES + 1)))
    except (OSError, openpgp.KeyFileError):
        return None


def _deb822(path: str, text: str) -> List[Dict[str, str]]:
    answer = []
    for stanza in re.split(r"\n\s*\n", text):
        source = {"path": path, "uris": "", "suites": "", "signed_by": "", "trusted": "", "enabled": ""}
        for line in stanza.splitlines():
            key, _, value = line.partition(":")
            if not line.startswith(("#", " ")) and key.lower() in FIELDS:
                source[FIELDS[key.lower()]] = value.strip()
        if source["enabled"] != "no":
            answer.append(source)
    return answer


def _one_line(path: str, text: str) -> List[Dict[str, str]]:
    answer = []
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if found:
            options = dict(word.split("=", 1) for word in (found.group(1) or "").split() if "=" in word)
            source = {"path": path, "uris": found.group(2), "suites": found.group(3), "enabled": ""}
            source.update(signed_by=options.get("signed-by", ""), trusted=options.get("trusted", ""))
            answer.append(source)
    return answer


def pins(machine: Machine, request: Dict[str, Any]) -> List[Dict[str, str]]:
    """Pins of apt's preferences: file, what is pinned, priority."""
    _apt(machine)
    answer = []
    for path in ["/etc/apt/preferences"] + machine.glob("/etc/apt/preferences.d/*"):
        for stanza in re.split(r"\n\s*\n", machine.read(path) or ""):
            fields = dict(line.split(":", 1) for line in stanza.splitlines() if ":" in line and line[:1] != "#")
            if "Pin" in fields:
                pin, priority = fields["Pin"].strip(), fields.get("Pin-Priority", "").strip()
                answer.append({"path": path, "pin": pin, "priority": priority})
    return answer
