"""Kind `directory`."""

from __future__ import annotations

from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Step
from strixkit.resources.path import Placed


class Directory(Placed):
    """A folder with owner and mode; what is in it is not looked at."""

    kind: ClassVar[str] = "directory"
    mode: int = 0o755

    def question(self) -> Question:
        """Type, owner and mode."""
        return {"ask": "path", "path": self.path}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"type": "absent"}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence, owner and mode."""
        if answer["type"] != "directory":
            return (self.change("presence", answer["type"], "directory"),)
        return self.diff_owner(answer)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it, or give it its owner and mode."""
        return (Step(step="mkdir", arguments=self.owner_arguments()),)
