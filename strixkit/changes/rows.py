"""Pure: what a person reads of each resource, and the rows of several machines as one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from strixkit.resources.base import LIVE, Resource, Risk


@dataclass(frozen=True)
class Variant:
    """A machine that the page is made for: a host of the example inventory with a distribution on it."""

    host: str
    distribution: str


@dataclass(frozen=True)
class Row:
    """One thing that a deploy changes on a bare machine.

    kind: of the resource. name: which one: a path, a unit, a kernel argument with its value.
    risk: the worst that bringing it about interrupts. undo: as in Resource.undo.
    """

    kind: str
    name: str
    why: str
    risk: Risk
    undo: str


ORDER = list(Risk)  # the mildest first


def rows_of(resource: Resource) -> list[Row]:
    """What a resource changes on a bare machine: one row, or one for each thing that has a reason of its own.

    What is configured and what is live of it are one thing.
    """
    kind, _, name = resource.id.partition(":")
    rows: dict[tuple[str, str], Row] = {}
    for change in resource.diff(resource.absent()):
        own = change.reason != resource.reason
        key = (f"{change.field.removesuffix(LIVE)}={change.wanted}" if own else name, change.reason)
        before = rows[key].risk if key in rows else Risk.NONE
        rows[key] = Row(kind.replace("_", " "), *key, max(before, change.risk, key=ORDER.index), resource.undo())
    if not rows:  # a wish that something be absent is quiet on a bare machine
        why = f"only where it is found: {resource.reason}"
        return [Row(kind.replace("_", " "), name, why, Risk.NONE, resource.undo())]
    return list(rows.values())


def merged(lists: Mapping[Variant, Sequence[Row]]) -> dict[Row, list[Variant]]:
    """Each row once, with the variants that have it. A row stands before the one that it precedes in its variant."""
    order: list[Row] = []
    for rows in lists.values():
        before = len(order)
        for row in reversed(rows):
            if row not in order:
                order.insert(before, row)
            before = order.index(row)
    return {row: [variant for variant, rows in lists.items() if row in rows] for row in order}


def only_on(some: Sequence[Variant], every: Sequence[Variant]) -> str:
    """Which of the variants these are, in words; empty for all of them."""
    hosts, systems = names(some)
    all_hosts, all_systems = names(every)
    if len(some) != len(list(product(hosts, systems))):
        return ", ".join(f"{variant.host} with {variant.distribution}" for variant in some)
    parts = [", ".join(found) for found, known in ((hosts, all_hosts), (systems, all_systems)) if found != known]
    return " with ".join(parts)


def names(variants: Sequence[Variant]) -> tuple[list[str], list[str]]:
    """Hosts and distributions, each once, in order."""
    return (
        list(dict.fromkeys(variant.host for variant in variants)),
        list(dict.fromkeys(variant.distribution for variant in variants)),
    )
