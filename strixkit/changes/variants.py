"""What the roles wish of the example hosts, each as a new installation of each distribution."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from strixkit.changes.rows import Variant
from strixkit.config.directories import PROJECT
from strixkit.config.distributions import load_distributions
from strixkit.config.host import Host
from strixkit.config.inventory import load_inventory
from strixkit.host.describe import Description
from strixkit.host.facts_file import load_answer
from strixkit.resources.base import Resource

INVENTORY = PROJECT / "inventory.yaml"
FACTS = {"strix01": "framework-128gb.json", "strix02": "framework-64gb.json"}
# With the kernel that each has, or can have at least: some wishes depend on it.
KERNELS = {"ubuntu-26.04": "7.0.0-15-generic", "ubuntu-24.04": "6.17.0-35-generic", "debian-13": "6.12.48+deb13-amd64"}


def wishes() -> dict[Variant, Mapping[str, Sequence[Resource]]]:
    """Role -> resources, for each host and distribution. Raises InputError."""
    hosts = load_inventory(INVENTORY).hosts
    found = {}
    for name, facts in FACTS.items():
        for key in KERNELS:
            answer = _installed(load_answer(PROJECT / "tests/data/facts/bare" / facts), key)
            variant = Variant(name, load_distributions()[key].name)
            found[variant] = _by_role(hosts[name], answer)
    return found


def _installed(answer: dict[str, Any], key: str) -> dict[str, Any]:
    """The same machine with another distribution."""
    entry = load_distributions()[key]
    system = {"id": entry.id, "version_id": entry.version, "codename": entry.codename, "name": entry.name}
    facts = {**answer["facts"], "os": system, "kernel": KERNELS[key], "package_manager": entry.packages}
    return {**answer, "facts": facts}


def _by_role(host: Host, answer: dict[str, Any]) -> Mapping[str, Sequence[Resource]]:
    found: Mapping[str, Sequence[Resource]] = Description(host, preview=True).desired(answer).shown["roles"]
    return found


def about() -> dict[str, str]:
    """Role -> the sentence that its module begins with."""
    order: Sequence[str] = importlib.import_module("roles").ORDER
    return {name: (importlib.import_module(f"roles.{name}.role").__doc__ or "").strip() for name in order}


def provisioning() -> list[str]:
    """The roles that `strix_provision: false` leaves out, in order."""
    roles = importlib.import_module("roles")
    return [name for name in roles.ORDER if name in roles.PROVISIONING]
