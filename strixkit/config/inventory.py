"""The inventory: Ansible's YAML schema in, validated hosts out, and the choice of hosts by pattern."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from strixkit.config.groups import Tree
from strixkit.config.host import Host, host_from
from strixkit.config.names import unknown_name
from strixkit.config.yaml import load
from strixkit.errors import InputError


@dataclass(frozen=True)
class Inventory:
    """Hosts by name, in the order of the file; groups (with `all` and `ungrouped`) as the names of their hosts."""

    path: Path
    hosts: dict[str, Host]
    groups: dict[str, tuple[str, ...]]

    def select(self, pattern: str) -> list[Host]:
        """The hosts of a pattern: names, groups or `all`, by commas; `!name` leaves out. In the order of the file.

        Only exclusions mean all but these. Raises InputError for an unknown name, with the nearest one, and for
        a pattern that leaves no host.
        """
        words = [word for word in (part.strip() for part in pattern.split(",")) if word]
        excluded = {host for word in words if word.startswith("!") for host in self._named(word[1:].strip())}
        wanted = {host for word in words if not word.startswith("!") for host in self._named(word)}
        if words and all(word.startswith("!") for word in words):
            wanted = set(self.hosts)
        found = [host for name, host in self.hosts.items() if name in wanted - excluded]
        if not found:
            known = ", ".join([*self.hosts, *self.groups])
            raise InputError(f"{pattern!r} selects no host of {self.path} (known: {known})")
        return found

    def _named(self, word: str) -> tuple[str, ...]:
        if word in self.groups:
            return self.groups[word]
        if word in self.hosts:
            return (word,)
        raise unknown_name("host or group", word, [*self.hosts, *self.groups], where=str(self.path))


def load_inventory(path: Path | str) -> Inventory:
    """The inventory in a file. Raises InputError with file and line for everything that is wrong in it."""
    document = load(path)
    tree = Tree(document)
    hosts = {name: host_from(name, tree.groups_of(name), tree.variables(name)) for name in tree.hosts}
    groups = {name: tuple(host for host in hosts if host in tree.members(name)) for name in tree.groups}
    return Inventory(Path(path), hosts, groups)
