"""`lock.yaml`: which commit each branch and tag was when a person last ran `invoke lock`. A deploy builds that one."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Self

from pydantic import model_validator

from strixkit.config.directories import profiles_directory
from strixkit.config.document import shown
from strixkit.config.repository import Commit, RefName, RepositoryUrl
from strixkit.config.runtimes import GitRuntime
from strixkit.config.validate import validate
from strixkit.config.values import Section
from strixkit.config.yaml import load
from strixkit.errors import StrixError
from strixkit.files import replace_text

HEADER = """\
# What is built: each branch and tag of profiles/runtimes/ as the commit that it was when it was locked.
# `invoke lock` writes this file; review the difference and commit it like code.
"""


class LockedSource(Section):
    """One repository's branch or tag; locked: the day on which the commit was taken."""

    repository: RepositoryUrl
    ref: RefName
    commit: Commit
    locked: datetime.date


class Lock(Section):
    """The file. What else is locked one day gets a key beside `sources`."""

    sources: tuple[LockedSource, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen = set()
        for source in self.sources:
            if (source.repository, source.ref) in seen:
                raise ValueError(f"{source.ref} of {source.repository} is locked twice: run invoke lock, or delete one")
            seen.add((source.repository, source.ref))
        return self

    def source(self, repository: str, ref: str) -> LockedSource | None:
        """The entry of a repository's ref."""
        return next((item for item in self.sources if (item.repository, item.ref) == (repository, ref)), None)


def lock_path(directory: Path | None = None) -> Path:
    """lock.yaml beside `profiles/`; `directory` is the `profiles/` in use."""
    return (directory or profiles_directory()).parent / "lock.yaml"


def load_lock(directory: Path | None = None) -> Lock:
    """The lock; an empty one where there is no file yet. Raises InputError with file and line."""
    path = lock_path(directory)
    return validate(load(path), Lock) if path.exists() else Lock()


def locked_commit(entry: GitRuntime, directory: Path | None = None) -> str | None:
    """The commit that is to be built for a runtime, or None: not locked. Raises InputError for a bad file."""
    found = load_lock(directory).source(entry.repository, entry.ref)
    return found.commit if found else None


def rendered(lock: Lock) -> str:
    """The file's text: the same for the same entries, in whatever order they come."""
    lines = ["sources:"] if lock.sources else ["sources: []"]
    for source in sorted(lock.sources, key=lambda item: (item.repository, item.ref)):
        # JSON's strings are YAML's too: quoted, a ref such as `1.0` or `#x` stays text.
        lines += [
            f"  - repository: {json.dumps(source.repository, ensure_ascii=False)}",
            f"    ref: {json.dumps(source.ref, ensure_ascii=False)}",
            f'    commit: "{source.commit}"',
            f"    locked: {source.locked.isoformat()}",
        ]
    return HEADER + "\n".join(lines) + "\n"


def write_lock(lock: Lock, directory: Path | None = None) -> None:
    """Write the file in one rename. Raises StrixError, and the file is as it was."""
    path = lock_path(directory)
    try:
        replace_text(path, rendered(lock))
    except OSError as error:
        raise StrixError(f"{shown(path)} cannot be written: {error.strerror}; it is as it was") from error
