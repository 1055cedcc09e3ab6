"""Kind `directory`."""

from __future__ import annotations

import shlex
from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Step
from strixkit.resources.path import Placed, in_the_way


class Directory(Placed):
    """A folder with owner and mode; what is in it is not looked at.

    A link of root's to a folder is as good: an administrator may keep the models on another disk.
    """

    kind: ClassVar[str] = "directory"
    mode: int = 0o755

    def question(self) -> Question:
        """Type, owner and mode."""
        return {"ask": "path", "path": self.path}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"type": "absent"}

    def refuse(self, answer: Answer) -> str | None:
        """Anything but a folder or a link to one is in the way."""
        allowed = {"absent", "directory"} | ({"symlink"} if _followed(answer)["type"] == "directory" else set())
        return in_the_way(self.path, answer, "a directory", allowed)

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence, owner and mode."""
        found = _followed(answer)
        if found["type"] != "directory":
            return (self.change("presence", found["type"], "directory"),)
        return self.diff_owner(found)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it, or give it its owner and mode."""
        return (Step(step="mkdir", arguments=self.owner_arguments()),)

    def undo(self) -> str:
        """Remove it when it is empty: what else is in it may be somebody's."""
        return f"rmdir {shlex.quote(self.path)}"


def _followed(answer: Answer) -> Answer:
    """What a link leads to, or the thing itself."""
    return answer.get("followed") or answer if answer["type"] == "symlink" else answer
