"""Kind `unset_variable`: a file that sets variables for everybody does not set this one."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step
from strixkit.resources.path import AbsolutePath, put_back


class UnsetVariable(Resource):
    """A line of the file that only sets the variable is removed; what else a script does is left to its owner."""

    kind: ClassVar[str] = "unset_variable"
    path: AbsolutePath
    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @property
    def id(self) -> str:
        """`unset_variable:path:name`."""
        return f"{self.kind}:{self.path}:{self.name}"

    def question(self) -> Question:
        """The lines that set it."""
        return {"ask": "variable", "path": self.path, "name": self.name}

    def absent(self) -> Answer:
        """No such line."""
        return {"lines": []}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """One change for each line."""
        return tuple(self.change(self.name, line, "not set there") for line in answer["lines"])

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Remove the lines; the file as it was is kept."""
        return (Step(step="unset", arguments={"path": self.path, "name": self.name}),)

    def undo(self) -> str:
        """Put back the newest copy."""
        return put_back(self.path)
