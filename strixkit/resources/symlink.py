"""Kind `symlink`."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Resource, Step
from strixkit.resources.path import AbsolutePath, in_the_way


class Symlink(Resource):
    """A symbolic link."""

    kind: ClassVar[str] = "symlink"
    path: AbsolutePath
    target: str

    @property
    def id(self) -> str:
        """`symlink:path`."""
        return f"{self.kind}:{self.path}"

    def requires(self) -> set[str]:
        """The folders above it, and its target if that is managed."""
        above = {f"directory:{folder}" for folder in PurePosixPath(self.path).parents}
        return above | {f"{kind}:{self.target}" for kind in ("file", "template", "directory")}

    def question(self) -> Question:
        """Type and target."""
        return {"ask": "path", "path": self.path}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"type": "absent"}

    def refuse(self, answer: Answer) -> str | None:
        """Only a link is replaced; what holds content is not."""
        return in_the_way(self.path, answer, f"a symlink to {self.target}", {"absent", "symlink"})

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence and target."""
        if answer["type"] != "symlink":
            return (self.change("presence", answer["type"], f"symlink to {self.target}"),)
        found = answer.get("target", "")
        return () if found == self.target else (self.change("target", found, self.target),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Point it there in one rename."""
        return (Step(step="symlink", arguments={"path": self.path, "target": self.target}),)

    def undo(self) -> str:
        """Remove the link; what it led to stays."""
        return f"rm {shlex.quote(self.path)}"
