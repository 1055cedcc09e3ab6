"""`invoke lock`: the branch or tag of every runtime that is built, as the commit that it is now."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from strixkit.config.catalogue import load_runtime, runtime_names
from strixkit.config.lock import Lock, LockedSource, load_lock, lock_path, write_lock
from strixkit.config.names import unknown_name
from strixkit.config.runtimes import GitRuntime
from strixkit.errors import InputError
from strixkit.sources.git import SECONDS, GitError, Remote, Resolved, ask, resolve

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


@dataclass(frozen=True)
class Locking:
    """All that was asked for.

    unused: what the lock has and no runtime names; known only when all runtimes were asked for.
    written: the file is another than before. today: the day from which ages are counted.
    """

    path: Path
    entries: tuple[Entry, ...]
    unused: tuple[LockedSource, ...]
    check: bool
    written: bool
    today: datetime.date

    @property
    def differs(self) -> bool:
        """What was found is not what was locked."""
        return bool(self.unused) or any(entry.state in ("moved", "new") for entry in self.entries)

    @property
    def exit_code(self) -> int:
        """1: something could not be resolved; 3: a check found a difference; else 0."""
        if any(entry.state == "unresolved" for entry in self.entries):
            return 1
        return 3 if self.check and self.differs else 0


def lock(
    only: Sequence[str] = (), *, check: bool = False, directory: Path | None = None, seconds: float = SECONDS
) -> Locking:
    """Resolve the refs of all runtimes that are built, or of those in `only`, and write lock.yaml where that differs.

    check: write nothing. directory: the `profiles/` in use. seconds: for each repository.
    An entry that could not be resolved stays as it was. Raises InputError (nothing was asked) and StrixError.
    """
    runtimes = _built(only, directory)
    locked = load_lock(directory)
    # One after the other: a second each, and Ctrl-C ends the one that hangs.
    repositories = dict.fromkeys(runtime.repository for runtime in runtimes.values())
    answers = {repository: _asked(repository, seconds) for repository in repositories}
    sources = dict.fromkeys((runtime.repository, runtime.ref) for runtime in runtimes.values())
    entries = []
    for repository, ref in sources:
        names = tuple(name for name, item in runtimes.items() if (item.repository, item.ref) == (repository, ref))
        entries.append(_entry(repository, ref, names, locked, answers[repository]))
    unused = () if only else tuple(item for item in locked.sources if (item.repository, item.ref) not in sources)
    today = datetime.date.today()
    written = False
    if not check:
        # Read again: another run may have written meanwhile, and only what was asked for here is changed.
        current = load_lock(directory)
        wanted = _changed(current, entries, unused, today)
        written = {*wanted.sources} != {*current.sources}
        if written:
            write_lock(wanted, directory)
    return Locking(lock_path(directory), tuple(entries), unused, check, written, today)


def _built(only: Sequence[str], directory: Path | None) -> dict[str, GitRuntime]:
    """The runtimes of provider git. Raises InputError for a name in `only` that is none of them."""
    known = runtime_names(directory)
    for name in only:
        if name not in known:
            raise unknown_name("runtime", name, known)
    loaded = {name: load_runtime(name, directory) for name in known}
    built = {name: runtime for name, runtime in loaded.items() if isinstance(runtime, GitRuntime)}
    for name in only:
        if name not in built:
            found = f"runtime {name} is of provider {loaded[name].provider}: it has no commit to lock"
            raise InputError(found, hint=f"--only one of {', '.join(built) or 'none'}")
    return {name: runtime for name, runtime in built.items() if not only or name in only}


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


def _changed(current: Lock, entries: Sequence[Entry], unused: Sequence[LockedSource], today: datetime.date) -> Lock:
    """The lock with what was found. The date of a commit stays that of the day on which it was first taken."""
    sources = {(item.repository, item.ref): item for item in current.sources if item not in unused}
    for entry in entries:
        old = sources.get((entry.repository, entry.ref))
        if entry.found is not None and (old is None or old.commit != entry.found.commit):
            sources[entry.repository, entry.ref] = LockedSource(
                repository=entry.repository, ref=entry.ref, commit=entry.found.commit, locked=today
            )
    return Lock(sources=tuple(sources.values()))
