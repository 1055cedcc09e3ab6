"""Where the data lies: `profiles/` beside the inventory in use, else that of the project."""

from __future__ import annotations

from pathlib import Path

from strixkit.errors import InputError

PROJECT = Path(__file__).parents[2]


def profiles_directory(inventory: Path | None = None) -> Path:
    """`profiles/` beside the inventory file if there is one, else in the project's own folder.

    Raises InputError if neither exists.
    """
    candidates = [place / "profiles" for place in ([inventory.parent] if inventory else []) + [PROJECT]]
    for directory in candidates:
        if directory.is_dir():
            return directory
    looked = ", ".join(str(directory) for directory in candidates)
    raise InputError(f"no profiles/ directory, looked for {looked}", hint="run this in a checkout of the project")


def names_in(directory: Path) -> list[str]:
    """The names of the YAML files in a directory, without their suffix, in order."""
    return sorted(path.stem for path in directory.glob("*.yaml"))
