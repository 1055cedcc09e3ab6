"""The schema of this role's defaults.yaml, and what it has for a box."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from strixkit.config.distributions import Distribution
from strixkit.config.validate import validate
from strixkit.config.values import Section
from strixkit.config.yaml import load
from strixkit.errors import InputError
from strixkit.resources.apt_repository import AptRepository
from strixkit.resources.library_path import LibraryPath
from strixkit.resources.path import AbsolutePath

DEFAULTS = Path(__file__).parent / "defaults.yaml"
NONE = "none"


class Repository(Section):
    """Where a choice comes from; see AptRepository. `{platform}` in the URI is the set's."""

    name: str
    uri: str
    components: tuple[str, ...]
    key_url: str
    fingerprint: str
    origin: str
    replaces: tuple[str, ...]


class Set(Section):
    """What a choice means on one release. conflicts: packages (`name=pattern`) that must go before."""

    packages: tuple[str, ...] = Field(min_length=1)
    suite: str = ""
    platform: str = ""
    conflicts: tuple[str, ...] = ()
    note: str = ""


class Choice(Section):
    """One value of strix_rocm. Without a repository the packages are the distribution's own.

    libraries: folders that the dynamic loader does not know by itself.
    """

    repository: Repository | None = None
    libraries: tuple[AbsolutePath, ...] = ()
    sets: dict[str, Set]


class Sources(Section):
    """The whole file."""

    default: dict[str, str]
    choices: dict[str, Choice]


def load_sources() -> Sources:
    """Read defaults.yaml. Raises InputError for a bad file."""
    return validate(load(DEFAULTS), Sources)


def chosen(sources: Sources, distribution: Distribution, wish: str | None) -> str | None:
    """The choice for a box; None: nothing is wished, by the rule. Raises InputError for one that it cannot have."""
    if wish is None:
        return sources.default.get(distribution.key)
    can = [name for name, choice in sources.choices.items() if distribution.key in choice.sets]
    if wish != NONE and wish not in can:
        have = ", ".join([*can, NONE])
        raise InputError(
            f"strix_rocm: found {wish}, which there is not for {distribution.name}; it can have {have}",
            hint="set strix_rocm to one of them in inventory.yaml, or leave it out: Vulkan needs no ROCm",
        )
    return wish


def repository_of(choice: Choice, wanted: Set, reason: str, *, present: bool = True) -> AptRepository | None:
    """The repository of a choice for one release; None where the packages are the distribution's own."""
    found = choice.repository
    if found is None:
        return None
    return AptRepository(
        name=found.name,
        uri=found.uri.format(platform=wanted.platform),
        suites=(wanted.suite,),
        components=found.components,
        key_url=found.key_url,
        fingerprint=found.fingerprint,
        origin=found.origin,
        replaces=found.replaces,
        present=present,
        reason=reason,
    )


def libraries_of(sources: Sources, distribution: Distribution, choice: str, reason: str) -> LibraryPath | None:
    """That the loader knows the folders of a choice, and those of others not; None where no choice has any."""
    wanted = sources.choices[choice].libraries if choice != NONE else ()
    every = [other for other in sources.choices.values() if distribution.key in other.sets]
    folders = wanted or tuple(dict.fromkeys(folder for other in every for folder in other.libraries))
    if not folders:
        return None
    return LibraryPath(name="strixkit-rocm", folders=folders, present=bool(wanted), reason=reason)
