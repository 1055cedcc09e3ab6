"""The part of `invoke lock` that asks git: the branch or tag of every runtime that is built, as the commit of now."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from strixkit.config.lock import Lock, LockedSource
from strixkit.config.runtimes import GitRuntime
from strixkit.sources.git import GitError, Remote, Resolved, ask, resolve

State = Literal["unchanged", "moved", "new", "unresolved"]


@dataclass(frozen=True)
class Entry:
    """One repository's ref: the runtimes that are built of it, what the lock has, and what it is now.

    error: why nobody knows what it is now. redirected: the URL that the server gave for the repository's.
    """

    repository: str
    ref: str
    runtimes: tuple[str, ...]
    old: LockedSource | None
    found: Resolved | None = None
    redirected: str = ""
    error: GitError | None = None

    @property
    def state(self) -> State:
        """What became of it."""
        if self.found is None:
            return "unresolved"
        if self.old is None:
            return "new"
        return "unchanged" if self.old.commit == self.found.commit else "moved"


def git_entries(runtimes: Mapping[str, GitRuntime], locked: Lock, seconds: float) -> tuple[Entry, ...]:
    """An entry for each repository and ref. seconds: for each repository, which is asked once."""
    repositories = dict.fromkeys(runtime.repository for runtime in runtimes.values())
    answers = {repository: _asked(repository, seconds) for repository in repositories}
    entries = []
    for repository, ref in dict.fromkeys((runtime.repository, runtime.ref) for runtime in runtimes.values()):
        names = tuple(name for name, item in runtimes.items() if (item.repository, item.ref) == (repository, ref))
        entries.append(_entry(repository, ref, names, locked, answers[repository]))
    return tuple(entries)


def _asked(repository: str, seconds: float) -> Remote | GitError:
    try:
        return ask(repository, seconds=seconds)
    except GitError as error:
        return error


def _entry(repository: str, ref: str, names: tuple[str, ...], locked: Lock, answer: Remote | GitError) -> Entry:
    old = locked.source(repository, ref)
    if isinstance(answer, GitError):
        return Entry(repository, ref, names, old, error=answer)
    try:
        return Entry(repository, ref, names, old, resolve(answer, repository, ref), answer.redirected)
    except GitError as error:
        return Entry(repository, ref, names, old, redirected=answer.redirected, error=error)


def changed_sources(
    current: Lock, entries: Sequence[Entry], unused: Sequence[LockedSource], today: datetime.date
) -> tuple[LockedSource, ...]:
    """The sources with what was found. The date of a commit stays that of the day on which it was first taken."""
    sources = {(item.repository, item.ref): item for item in current.sources if item not in unused}
    for entry in entries:
        old = sources.get((entry.repository, entry.ref))
        if entry.found is not None and (old is None or old.commit != entry.found.commit):
            sources[entry.repository, entry.ref] = LockedSource(
                repository=entry.repository, ref=entry.ref, commit=entry.found.commit, locked=today
            )
    return tuple(sources.values())
