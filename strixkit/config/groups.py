"""Groups, hosts and their variables in Ansible's YAML inventory schema, merged by Ansible's precedence."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from strixkit.config.document import Document, Key, Position
from strixkit.config.names import suggestion
from strixkit.config.validate import validate
from strixkit.config.values import GroupName, HostName

SECTIONS = ("vars", "hosts", "children")
ALL, UNGROUPED = "all", "ungrouped"


@dataclass
class Group:
    """One group; the same name may stand in several places of the file, which add up."""

    name: str
    variables: dict[str, Key] = field(default_factory=dict)  # name -> where it stands in the file
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)


class _Checked(BaseModel):
    group: GroupName = ALL
    host: HostName = ALL


class Tree:
    """All groups and hosts of an inventory file, before any variable is understood."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.groups: dict[str, Group] = {ALL: Group(ALL), UNGROUPED: Group(UNGROUPED)}
        self.hosts: dict[str, dict[str, Key]] = {}
        self._below: defaultdict[Key, list[Key]] = defaultdict(list)
        for at in document.positions:
            for length in range(1, len(at) + 1):
                self._below[at[:length]].append(at)
        for name in document.values:
            self._read_group(name, (name,))
        self.groups[UNGROUPED].hosts = dict.fromkeys(self._ungrouped())
        self._parents = self._with_parents()
        self._depths: dict[str, int] = {}
        for name in self.groups:
            self._find_depth(name, ())
        both = [name for name in self.hosts if name in self.groups]
        if both:
            raise document.error((), f"{both[0]!r} is the name of a host and of a group, wanted two names")

    def members(self, group: str) -> set[str]:
        """Hosts of a group and of all groups below it."""
        found = set(self.groups[group].hosts)
        for child in self.groups[group].children:
            found |= self.members(child)
        return found

    def groups_of(self, host: str) -> tuple[str, ...]:
        """The groups that hold a host, in the order in which their variables apply: later ones win.

        Ansible's order (ansible/inventory/helpers.py: sort_groups): depth, then ansible_group_priority, then name.
        """
        mine = {name for name in self.groups if host in self.groups[name].hosts} | {ALL}
        waiting = list(mine)
        while waiting:
            for parent in self._parents[waiting.pop()]:
                if parent not in mine:
                    mine.add(parent)
                    waiting.append(parent)
        return tuple(sorted(mine, key=lambda name: (self._depths[name], self._priority(name), name)))

    def variables(self, host: str) -> Document:
        """The host's variables after all groups; a mapping is replaced as a whole, as Ansible does by default."""
        places: dict[str, Key] = {}
        for group in self.groups_of(host):
            places.update(self.groups[group].variables)
        places.update(self.hosts[host])
        values = {name: self._value(place) for name, place in places.items()}
        positions: dict[Key, Position] = {}
        for name, place in places.items():
            for at in self._below[place]:
                key: Key = (name, *at[len(place) :])
                positions[key] = self.document.positions[at]
        return Document(self.document.path, values, positions)

    def _read_group(self, name: str, key: Key) -> None:
        self._check("group", name, key)
        group = self.groups.setdefault(name, Group(name))
        for section in self._mapping(key):
            place = (*key, section)
            if section not in SECTIONS:
                near = suggestion(section, SECTIONS) or f" (known: {', '.join(SECTIONS)})"
                raise self.document.error(place, f"unknown key of a group{near}")
            for entry in self._mapping(place):
                self._read_entry(group, section, entry, (*place, entry))

    def _read_entry(self, group: Group, section: str, entry: str, key: Key) -> None:
        if section == "vars":
            group.variables[entry] = key
        elif section == "children":
            group.children[entry] = None
            self._read_group(entry, key)
        else:
            self._check("host", entry, key)
            group.hosts[entry] = None
            self.hosts.setdefault(entry, {}).update({name: (*key, name) for name in self._mapping(key)})

    def _check(self, kind: str, name: str, key: Key) -> None:
        places: dict[Key, Position] = {(kind,): self.document.where(key)}
        validate(Document(self.document.path, {kind: name}, places), _Checked)

    def _mapping(self, key: Key) -> dict[str, Any]:
        value = self._value(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.document.error(key, f"found {value!r:.60}, wanted a mapping")
        return value

    def _value(self, key: Key) -> Any:
        value: Any = self.document.values
        for part in key:
            value = value[part]
        return value

    def _with_parents(self) -> dict[str, set[str]]:
        parents: dict[str, set[str]] = {name: set() for name in self.groups}
        for group in self.groups.values():
            for child in group.children:
                parents[child].add(group.name)
        for name in self.groups:
            if name != ALL and not parents[name]:
                parents[name] = {ALL}
                self.groups[ALL].children[name] = None
        return parents

    def _find_depth(self, name: str, below: tuple[str, ...]) -> int:
        """The longest way down from `all`."""
        if name in below:
            circle = " -> ".join(reversed([*below[below.index(name) :], name]))
            raise self.document.error((), f"the groups hold each other in a circle: {circle}")
        if name not in self._depths:
            depths = [self._find_depth(parent, (*below, name)) + 1 for parent in self._parents[name]]
            self._depths[name] = max(depths, default=0)
        return self._depths[name]

    def _ungrouped(self) -> list[str]:
        """Hosts in no group but `all`: Ansible puts exactly these into `ungrouped`, whatever the file says."""
        grouped = {host for name, group in self.groups.items() if name not in (ALL, UNGROUPED) for host in group.hosts}
        return [host for host in self.hosts if host not in grouped]

    def _priority(self, name: str) -> int:
        place = self.groups[name].variables.get("ansible_group_priority")
        value = self._value(place) if place else 1
        if not isinstance(value, int):
            raise self.document.error(place or (), f"found {value!r:.60}, wanted a whole number")
        return value
