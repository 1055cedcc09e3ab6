"""Kind `key`: a random secret that is made once, on the box, and stays there."""

from __future__ import annotations

from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Step
from strixkit.resources.path import Placed, in_the_way


class Key(Placed):
    """A root-only file with one random key; its content is never asked for here."""

    kind: ClassVar[str] = "key"
    mode: int = 0o600

    def question(self) -> Question:
        """Type, owner, mode and size, without content or hash."""
        return {"ask": "path", "path": self.path}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"type": "absent"}

    def refuse(self, answer: Answer) -> str | None:
        """A folder or a device is in the way."""
        return in_the_way(self.path, answer, "a file with a key", {"absent", "file", "symlink"})

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It is there, not empty, and root's alone."""
        if answer["type"] != "file" or not answer.get("size"):
            return (self.change("presence", answer["type"], "a random key, made on the box"),)
        return self.diff_owner(answer)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it, or give an existing one its owner and mode."""
        return (Step(step="secret", arguments=self.owner_arguments()),)
