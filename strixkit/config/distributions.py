"""The distributions that can be provisioned: `roles/distributions.yaml`, and which of them a box runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from strixkit.config.directories import PROJECT
from strixkit.config.validate import validate
from strixkit.config.values import Name, Section
from strixkit.config.yaml import load
from strixkit.errors import InputError
from strixkit.planner.facts import Os

TABLE = PROJECT / "roles" / "distributions.yaml"


class Entry(Section):
    """One release. `version` and `codename` as in /etc/os-release; at least one of them tells it from others."""

    name: str
    id: str
    version: str = ""
    codename: str = ""
    packages: Literal["apt", "dnf"]


class Table(Section):
    """The whole file, in the order in which a person is told of it."""

    distributions: dict[Name, Entry] = Field(min_length=1)


class Distribution(Section):
    """The release that a box runs. `key` is what the roles' data call it, e.g. ubuntu-24.04."""

    key: str
    name: str
    id: str
    codename: str
    packages: Literal["apt", "dnf"]


def load_distributions(path: Path = TABLE) -> dict[str, Entry]:
    """All known ones by key. Raises InputError for a bad file."""
    return validate(load(path), Table).distributions


def distribution_of(found: Os, known: dict[str, Entry]) -> Distribution:
    """The known release that /etc/os-release names.

    Raises InputError for another one: what is found, what is known, and how to leave the box's set-up alone.
    """
    for key, entry in known.items():
        if found.id == entry.id and _same_release(found, entry):
            return Distribution(key=key, name=entry.name, id=entry.id, codename=entry.codename, packages=entry.packages)
    release = found.version_id or found.codename or "of an unknown release"
    names = ", ".join(entry.name for entry in known.values())
    raise InputError(
        f"found {found.id.capitalize()} {release}, known are {names}; nothing was done",
        hint="strix_provision: false in inventory.yaml leaves the box's own set-up as it is and deploys the rest",
    )


def _same_release(found: Os, entry: Entry) -> bool:
    """By the version; by the codename where the table or the box has no version."""
    if found.version_id and entry.version:
        return found.version_id == entry.version
    return bool(entry.codename) and found.codename == entry.codename
