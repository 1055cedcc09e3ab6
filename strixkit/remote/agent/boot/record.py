"""What strixkit set on a command line that has no drop-in of ours, and which words were there before."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, Mapping, Optional

from strixkit.remote.agent import atomic, paths
from strixkit.resources.command_line import plain, split, without, words

PATH = paths.STATE + "/kernel-arguments.json"
Wanted = Mapping[str, Optional[str]]  # name -> value; None: must not be there


class Record:
    """`set`: names that are ours, with value; `before`: the words of each on the line that was found at first."""

    def __init__(self) -> None:
        found = atomic.read_json(PATH)
        found = found if isinstance(found, dict) else {}
        self.set: Dict[str, Optional[str]] = dict(found.get("set", {}))
        self.before: Dict[str, Any] = dict(found.get("before", {}))
        self.created = bool(found.get("created", False))

    def begin(self, line: str, wanted: Wanted) -> None:
        """Before anything is changed: note what the line has of names that are new here. Safe to be cut off after."""
        for name in map(plain, wanted):
            self.before.setdefault(name, [word for word in words(line) if split(word)[0] == name])
        self.set.update({plain(name): value for name, value in wanted.items()})
        self._write()

    def end(self, wanted: Wanted) -> None:
        """All is changed: names that were given back are no longer ours."""
        names = {plain(name): value for name, value in wanted.items()}
        self.before = {name: found for name, found in self.before.items() if name in names}
        self.set = names
        self._write()

    def given_back(self, wanted: Wanted) -> Dict[str, Any]:
        """Names that are ours and no longer wanted, with the words that were there before."""
        names = {plain(name) for name in wanted}
        return {name: found for name, found in self.before.items() if name not in names}

    def edited(self, line: str, wanted: Wanted) -> str:
        """The line with what is wanted, and without what is not; what is given back is there again."""
        back = self.given_back(wanted)
        kept = words(without(line, [*wanted, *back]))
        return " ".join([*kept, *(word for found in back.values() for word in found), *to_set(wanted)])

    def _write(self) -> None:
        if self.set:
            atomic.write_json(PATH, {"set": self.set, "before": self.before, "created": self.created})
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(PATH)


def to_set(wanted: Wanted) -> "list[str]":
    """The words of what is to be set, in order."""
    return ["%s=%s" % (name, value) if value else name for name, value in wanted.items() if value is not None]


def wanted_of(step: Mapping[str, Any]) -> "Dict[str, Optional[str]]":
    """What a step wants."""
    wanted: Dict[str, Optional[str]] = {str(name): str(value) for name, value in step["set"].items()}
    return dict(wanted, **{str(name): None for name in step["banned"]})
