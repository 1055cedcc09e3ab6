"""Entries of the Boot Loader Specification that kernel-install wrote for this machine."""

from __future__ import annotations

from typing import Dict, List

from strixkit.remote.agent.machine import Machine

FOLDERS = ("/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries")


def paths(machine: Machine) -> List[str]:
    """Files of this machine's own entries: by the machine id in them, or at the beginning of the name."""
    identity = (machine.read("/etc/machine-id") or "").strip()
    if not identity:
        return []
    found = [path for folder in FOLDERS for path in machine.glob(folder + "/*.conf")]
    return [path for path in found if _is_ours(machine, path, identity)]


def arguments(machine: Machine) -> List[str]:
    """The kernel's arguments in each of them."""
    return [fields(machine.read(path) or "").get("options", "") for path in paths(machine)]


def fields(text: str) -> Dict[str, str]:
    """Keys and values of an entry; several `options` are one."""
    found: Dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            before = found.get(key, "") + " " if key == "options" and key in found else ""
            found[key] = before + value.strip()
    return found


def _is_ours(machine: Machine, path: str, identity: str) -> bool:
    entry = fields(machine.read(path) or "")
    named = path.rsplit("/", 1)[1].startswith(identity)
    return "linux" in entry and (entry["machine-id"] == identity if "machine-id" in entry else named)
