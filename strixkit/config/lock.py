"""`lock.yaml`: what each branch and tag was when a person last ran `invoke lock`. A deploy takes that."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from strixkit.config.directories import profiles_directory
from strixkit.config.document import shown
from strixkit.config.hub import HubFile, RepoId, RepoPath, Revision
from strixkit.config.repository import Commit, RefName, RepositoryUrl
from strixkit.config.runtimes import GitRuntime
from strixkit.config.validate import validate
from strixkit.config.values import Section, Sha256
from strixkit.config.yaml import load
from strixkit.errors import StrixError
from strixkit.files import replace_text

HEADER = """\
# What is built and fetched: each branch and tag of profiles/ as it was when it was locked, each file by its sha256.
# `invoke lock` writes this file; review the difference and commit it like code.
"""


class LockedSource(Section):
    """One repository's branch or tag; locked: the day on which the commit was taken."""

    repository: RepositoryUrl
    ref: RefName
    commit: Commit
    locked: datetime.date


class LockedFile(Section):
    """One file of a repository on the hub."""

    file: RepoPath
    size_bytes: int = Field(gt=0)
    sha256: Sha256


class LockedRepository(Section):
    """A repository on the hub at one branch, tag or commit; locked: the day on which the commit was taken."""

    repo: RepoId
    ref: Revision
    commit: Commit
    locked: datetime.date
    files: tuple[LockedFile, ...] = ()


class Lock(Section):
    """The file. sources: of git. hub: repositories of the hub."""

    sources: tuple[LockedSource, ...] = ()
    hub: tuple[LockedRepository, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen = set()
        for source in self.sources:
            if (source.repository, source.ref) in seen:
                raise ValueError(f"{source.ref} of {source.repository} is locked twice: run invoke lock, or delete one")
            seen.add((source.repository, source.ref))
        for repository in self.hub:
            if (repository.repo, repository.ref) in seen:
                raise ValueError(
                    f"{repository.ref} of {repository.repo} is locked twice: run invoke lock, or delete one"
                )
            seen.add((repository.repo, repository.ref))
        return self

    def source(self, repository: str, ref: str) -> LockedSource | None:
        """The entry of a repository's ref."""
        return next((item for item in self.sources if (item.repository, item.ref) == (repository, ref)), None)

    def repository(self, repo: str, ref: str) -> LockedRepository | None:
        """The entry of a repository of the hub."""
        return next((item for item in self.hub if (item.repo, item.ref) == (repo, ref)), None)

    def file(self, wanted: HubFile) -> tuple[str, LockedFile] | None:
        """The commit, and size and sha256 of a file of the hub."""
        repository = self.repository(wanted.repo, wanted.ref)
        for item in repository.files if repository else ():
            if item.file == wanted.file and repository is not None:
                return repository.commit, item
        return None


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
    for number, repository in enumerate(sorted(lock.hub, key=lambda item: (item.repo, item.ref))):
        lines += [*(["hub:"] if not number else []), *_hub_lines(repository)]
    return HEADER + "\n".join(lines) + "\n"


def _hub_lines(repository: LockedRepository) -> list[str]:
    lines = [
        f"  - repo: {json.dumps(repository.repo)}",
        f"    ref: {json.dumps(repository.ref)}",
        f'    commit: "{repository.commit}"',
        f"    locked: {repository.locked.isoformat()}",
        "    files:" if repository.files else "    files: []",
    ]
    for item in sorted(repository.files, key=lambda item: item.file):
        lines += [
            f"      - file: {json.dumps(item.file, ensure_ascii=False)}",
            f"        size_bytes: {item.size_bytes}",
            f'        sha256: "{item.sha256}"',
        ]
    return lines


def write_lock(lock: Lock, directory: Path | None = None) -> None:
    """Write the file in one rename. Raises StrixError, and the file is as it was."""
    path = lock_path(directory)
    try:
        replace_text(path, rendered(lock))
    except OSError as error:
        raise StrixError(f"{shown(path)} cannot be written: {error.strerror}; it is as it was") from error
