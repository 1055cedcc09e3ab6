"""Everything that is known of the box, in one look."""

from __future__ import annotations

import json
from typing import Any, Dict, List

from strixkit.planner.limits import MOST_ENTRIES, MOST_NAME, MOST_TEXT
from strixkit.remote.agent import paths
from strixkit.remote.agent.boot import loader
from strixkit.remote.agent.gpu import gpu
from strixkit.remote.agent.gpu_users import gpu_users
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.settings import settings
from strixkit.remote.agent.software import software
from strixkit.remote.agent.system import system

LONG = ("cmdline",)


def gather(machine: Machine) -> Dict[str, Any]:
    """All facts of this box; sizes in bytes. See strixkit.planner.facts.Facts for the fields."""
    facts: Dict[str, Any] = {
        **system(machine),
        **gpu(machine),
        **software(machine),
        "boot": loader.detect(machine),
        "settings": settings(machine),
        "gpu_users": gpu_users(machine),
    }
    _local_facts(machine, facts)
    return {key: _bounded(value, MOST_TEXT if key in LONG else MOST_NAME) for key, value in facts.items()}


def _bounded(value: Any, characters: int) -> Any:
    """Cut texts, lists and tables to what the controller takes: more of it is of no use to anybody."""
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, list):
        return [_bounded(item, characters) for item in value[:MOST_ENTRIES]]
    if isinstance(value, dict):
        return {key[:MOST_NAME]: _bounded(item, characters) for key, item in sorted(value.items())[:MOST_ENTRIES]}
    return value


def _local_facts(machine: Machine, facts: Dict[str, Any]) -> None:
    """Merge /etc/strixkit/facts.d/*.json, as Ansible does; what comes from there is listed as simulated."""
    changed: List[str] = []
    for path in machine.glob(paths.LOCAL_FACTS + "/*.json"):
        try:
            extra = json.loads(machine.read(path, 1 << 20) or "")
        except ValueError as error:
            facts.setdefault("warnings", []).append("%s is not valid JSON: %s" % (path, error))
            continue
        if isinstance(extra, dict):
            extra.pop("simulated", None)
            extra.pop("source", None)
            _merge(facts, extra, "", changed)
    facts["simulated"] = sorted(changed)


def _merge(base: Dict[str, Any], extra: Dict[str, Any], prefix: str, changed: List[str]) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value, prefix + key + ".", changed)
        else:
            base[key] = value
            changed.append(prefix + key)
