"""Kind `key`: a random secret that is made once, on the box, and stays there."""

from __future__ import annotations

import shlex
from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Step
from strixkit.resources.path import Placed, in_the_way


class Key(Placed):
    """A root-only file with one line, the key. Its content is never asked for: the box says whether it is one."""

    kind: ClassVar[str] = "key"
    mode: int = 0o600

    def question(self) -> Question:
        """Type, owner, mode, and whether it holds a key; no content, no hash."""
        return {"ask": "secret", "path": self.path}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"type": "absent"}

    def refuse(self, answer: Answer) -> str | None:
        """A folder or a device is in the way."""
        return in_the_way(self.path, answer, "a file with a key", {"absent", "file", "symlink"})

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It is there, one line of printable characters, and root's alone."""
        if answer["type"] != "file":
            return (self.change("presence", answer["type"], "a random key, made on the box"),)
        changes = self.diff_owner(answer)
        if not answer["valid"]:
            changes += (self.change("content", "not one line of printable ASCII", "one key in one line"),)
        return changes

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it, replace what is no key, or give an existing one its owner and mode."""
        return (Step(step="secret", arguments=self.owner_arguments()),)

    def undo(self) -> str:
        """Remove it: the key is nowhere else on the box."""
        return f"rm {shlex.quote(self.path)}"
