"""The part of `invoke lock` that asks a hub: the repositories that models name, as commit, sizes and sha256 of now."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from strixkit.config.catalogue import hub_files, load_model, model_names
from strixkit.config.hub import HubFile, endpoint
from strixkit.config.lock import Lock, LockedFile, LockedRepository
from strixkit.errors import InputError
from strixkit.sources.hub import Revision, ask, files
from strixkit.sources.hub_http import Hub, HubError
from strixkit.sources.hub_token import token

State = Literal["unchanged", "moved", "new", "changed", "unresolved"]


@dataclass(frozen=True)
class HubEntry:
    """One revision of a repository: the models that name files of it, what the lock has, and what it is now.

    files: all that models name, where each is known; else none, and `errors` says why: one commit is for all of them.
    """

    repo: str
    ref: str
    models: tuple[str, ...]
    old: LockedRepository | None
    revision: Revision | None = None
    files: tuple[LockedFile, ...] = ()
    errors: tuple[HubError, ...] = ()

    @property
    def state(self) -> State:
        """What became of it. changed: at one commit, other files than the lock's."""
        if self.errors or self.revision is None:
            return "unresolved"
        if self.old is None:
            return "new"
        if self.old.commit != self.revision.commit:
            return "moved"
        return "unchanged" if {*self.old.files} == {*self.files} else "changed"

    @property
    def changes(self) -> list[tuple[LockedFile | None, LockedFile | None]]:
        """Each file that is not as it is locked: before and now, None where it is in one of them alone."""
        before = {item.file: item for item in self.old.files} if self.old else {}
        now = {item.file: item for item in self.files}
        names = sorted({*before, *now}) if self.state != "unresolved" else []
        return [(before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def named_files(directory: Path | None = None) -> dict[str, list[HubFile]]:
    """The files of a hub that each model of the catalogue names. Raises InputError."""
    return {name: hub_files(load_model(name, directory)) for name in model_names(directory)}


def chosen(named: Mapping[str, Sequence[HubFile]], only: Sequence[str], models: Sequence[str]) -> set[tuple[str, str]]:
    """The repositories and revisions of `models`. Raises InputError for one that `only` names and that has none."""
    for name in models:
        if name in only and not named[name]:
            raise InputError(f"model {name} names no file of a hub: it has nothing to lock")
    return {(item.repo, item.ref) for name in models for item in named[name]}


def hub_entries(
    named: Mapping[str, Sequence[HubFile]], wanted: Iterable[tuple[str, str]], lock: Lock
) -> list[HubEntry]:
    """An entry for each repository and revision in `wanted`, with the files of all models: they share one commit.

    Raises InputError for HF_ENDPOINT and the token.
    """
    wanted = sorted(wanted)
    if not wanted:
        return []
    hub = Hub(endpoint(), token())
    return [_entry(hub, repo, ref, named, lock) for repo, ref in wanted]


def _entry(hub: Hub, repo: str, ref: str, named: Mapping[str, Sequence[HubFile]], lock: Lock) -> HubEntry:
    of_models = {
        name: [item.file for item in items if (item.repo, item.ref) == (repo, ref)] for name, items in named.items()
    }
    models = tuple(name for name, found in of_models.items() if found)
    names = list(dict.fromkeys(file for found in of_models.values() for file in found))
    old = lock.repository(repo, ref)
    try:
        revision = ask(hub, repo, ref)
    except HubError as error:
        return HubEntry(repo, ref, models, old, errors=(error,))
    found = files(hub, revision, names)
    errors = tuple(item for item in found.values() if isinstance(item, HubError))
    errors += _contradictions(old, revision, found)
    known = tuple(item for item in found.values() if isinstance(item, LockedFile))
    return HubEntry(repo, ref, models, old, revision, () if errors else known, errors)


def _contradictions(
    old: LockedRepository | None, revision: Revision, found: Mapping[str, LockedFile | HubError]
) -> tuple[HubError, ...]:
    """A commit has the same bytes for ever: the hub or the lock is wrong, and a person should look."""
    errors = []
    for before in old.files if old and old.commit == revision.commit else ():
        now = found.get(before.file)
        if isinstance(now, LockedFile) and now != before:
            said = f"{now.size_bytes:,} bytes, sha256 {now.sha256[:12]}"
            locked = f"{before.size_bytes:,} bytes, sha256 {before.sha256[:12]}"
            what = f"OTHER bytes at the SAME commit {revision.commit[:12]}: {said}; locked are {locked}"
            hint = f"is HF_ENDPOINT the right one? If the lock is wrong, delete {revision.repo} in it"
            errors.append(HubError(f"{revision.repo}: {before.file} has {what}", hint=hint))
    return tuple(errors)


def changed_hub(
    current: Lock, entries: Sequence[HubEntry], unused: Sequence[LockedRepository], today: datetime.date
) -> tuple[LockedRepository, ...]:
    """The repositories with what was found. The date of a commit stays that of the day on which it was first taken."""
    found = {(item.repo, item.ref): item for item in current.hub if item not in unused}
    for entry in entries:
        old = found.get((entry.repo, entry.ref))
        if entry.revision is None or entry.errors:
            continue
        commit = entry.revision.commit
        if old is None or old.commit != commit or {*old.files} != {*entry.files}:
            day = old.locked if old and old.commit == commit else today
            found[entry.repo, entry.ref] = LockedRepository(
                repo=entry.repo, ref=entry.ref, commit=commit, locked=day, files=entry.files
            )
    return tuple(found.values())
