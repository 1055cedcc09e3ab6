"""Profiles by name, with `extends`."""

from __future__ import annotations

from pathlib import Path

from strixkit.config.directories import names_in, profiles_directory
from strixkit.config.document import Document, merged
from strixkit.config.names import unknown_name
from strixkit.config.validate import validate
from strixkit.config.yaml import load
from strixkit.planner.profile import Profile


def profile_names(directory: Path | None = None) -> list[str]:
    """The names of all profiles, in order; `directory` is `profiles/` of the inventory in use."""
    return names_in(directory or profiles_directory())


def load_profile(name: str, directory: Path | None = None) -> Profile:
    """The profile `name`, laid on the one that it extends.

    Raises InputError for an unknown name (with the nearest one), a circle of `extends`, and every fault in the
    files, each with the file and line where it was written.
    """
    directory = directory or profiles_directory()
    if name not in profile_names(directory):
        raise unknown_name("profile", name, profile_names(directory))
    return validate(_document(name, directory, ()), Profile, also=("extends",))


def _document(name: str, directory: Path, chain: tuple[str, ...]) -> Document:
    document = load(directory / f"{name}.yaml")
    if "extends" not in document.values:
        return document
    base = document.values["extends"]
    if not isinstance(base, str):
        raise document.error(("extends",), f"found {base!r}, wanted the name of a profile")
    if base not in profile_names(directory):
        where = str(document.where(("extends",)))
        raise unknown_name("profile", base, profile_names(directory), where=f"{where}: extends")
    chain = (*chain, name)
    if base in chain:
        circle = " -> ".join([*chain[chain.index(base) :], base])
        raise document.error(("extends",), f"the profiles extend each other in a circle: {circle}")
    return merged(_document(base, directory, chain), document.without("extends"))
