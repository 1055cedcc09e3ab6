"""`invoke lock`: the branch or tag of every runtime that is built, and of every model, as the commit that it is now."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strixkit.config.catalogue import load_runtime, model_names, runtime_names
from strixkit.config.lock import Lock, LockedRepository, LockedSource, load_lock, lock_path, rendered, write_lock
from strixkit.config.names import unknown_name
from strixkit.config.runtimes import GitRuntime
from strixkit.errors import InputError
from strixkit.fleet.lock_git import Entry, changed_sources, git_entries
from strixkit.fleet.lock_hub import HubEntry, changed_hub, chosen, hub_entries, named_files
from strixkit.sources.git import SECONDS


@dataclass(frozen=True)
class Locking:
    """All that was asked for.

    hub: of the hub. unused, hub_unused: what the lock has and no runtime or model names; known only when all were asked
    for.
    written: the file is another than before. today: the day from which ages are counted.
    """

    path: Path
    entries: tuple[Entry, ...]
    hub: tuple[HubEntry, ...]
    unused: tuple[LockedSource, ...]
    hub_unused: tuple[LockedRepository, ...]
    check: bool
    written: bool
    today: datetime.date

    @property
    def _states(self) -> set[str]:
        return {*(entry.state for entry in self.entries), *(entry.state for entry in self.hub)}

    @property
    def differs(self) -> bool:
        """What was found is not what was locked."""
        return bool(self.unused or self.hub_unused or {"moved", "new", "changed"} & self._states)

    @property
    def exit_code(self) -> int:
        """1: something could not be resolved; 3: a check found a difference; else 0."""
        if "unresolved" in self._states:
            return 1
        return 3 if self.check and self.differs else 0


def lock(
    only: Sequence[str] = (), *, check: bool = False, directory: Path | None = None, seconds: float = SECONDS
) -> Locking:
    """Resolve what all runtimes and models name, or those in `only`, and write lock.yaml where that differs.

    check: write nothing. directory: the `profiles/` in use. seconds: for each repository of git.
    An entry that could not be resolved stays as it was. Raises InputError (nothing was asked) and StrixError.
    """
    runtimes, models = _asked_for(only, directory)
    named = named_files(directory) if models else {}
    wanted = chosen(named, only, models)
    locked = load_lock(directory)
    # One after the other: a second each, and Ctrl-C ends the one that hangs.
    entries = git_entries(runtimes, locked, seconds)
    hub = hub_entries(named, wanted, locked)
    sources = {(entry.repository, entry.ref) for entry in entries}
    unused = () if only else tuple(item for item in locked.sources if (item.repository, item.ref) not in sources)
    hub_unused = () if only else tuple(item for item in locked.hub if (item.repo, item.ref) not in wanted)
    today = datetime.date.today()
    written = False
    if not check:
        # Read again: another run may have written meanwhile, and only what was asked for here is changed.
        current = load_lock(directory)
        changed = Lock(
            sources=changed_sources(current, entries, unused, today), hub=changed_hub(current, hub, hub_unused, today)
        )
        written = rendered(changed) != rendered(current)
        if written:
            write_lock(changed, directory)
    return Locking(lock_path(directory), entries, tuple(hub), unused, hub_unused, check, written, today)


def _asked_for(only: Sequence[str], directory: Path | None) -> tuple[dict[str, GitRuntime], list[str]]:
    """The runtimes of provider git and the models that `only` names, without it all. Raises InputError."""
    runtimes, models = runtime_names(directory), model_names(directory)
    for name in only:
        if name not in (*runtimes, *models):
            raise unknown_name("runtime or model", name, [*runtimes, *models])
    loaded = {name: load_runtime(name, directory) for name in runtimes if not only or name in only}
    built = {name: runtime for name, runtime in loaded.items() if isinstance(runtime, GitRuntime)}
    for name in only:
        if name in loaded and name not in built and name not in models:
            found = f"runtime {name} is of provider {loaded[name].provider}: it has no commit to lock"
            raise InputError(found, hint="--only with runtimes that are built from git, and models")
    return built, [name for name in models if not only or name in only]
