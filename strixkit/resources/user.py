"""Kinds `group` and `user`: system accounts for services."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step

NAME = r"^[a-z_][a-z0-9_-]{0,31}$"


class Group(Resource):
    """A system group."""

    kind: ClassVar[str] = "group"
    name: str = Field(pattern=NAME)

    @property
    def id(self) -> str:
        """`group:name`."""
        return f"{self.kind}:{self.name}"

    def question(self) -> Question:
        """Whether it exists."""
        return {"ask": "group", "name": self.name}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"exists": False}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It exists or not."""
        return () if answer["exists"] else (self.change("presence", "absent", "group"),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it."""
        return (Step(step="group", arguments={"name": self.name}),)

    def undo(self) -> str:
        """Mostly nothing: files and devices of others may belong to it."""
        return f"(nothing, if the distribution made it, as it does render and video; otherwise groupdel {self.name})"


class User(Resource):
    """A system account that nobody logs in to, and groups it must be in (others are left alone)."""

    kind: ClassVar[str] = "user"
    name: str = Field(pattern=NAME)
    home: str = "/nonexistent"
    groups: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`user:name`."""
        return f"{self.kind}:{self.name}"

    def requires(self) -> set[str]:
        """Its groups."""
        return {f"group:{name}" for name in self.groups}

    def question(self) -> Question:
        """Whether it exists, and its groups."""
        return {"ask": "user", "name": self.name}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"exists": False}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence and membership."""
        if not answer["exists"]:
            return (self.change("presence", "absent", f"system user in {', '.join(self.groups) or 'no group'}"),)
        missing = [name for name in self.groups if name not in answer["groups"]]
        found = ", ".join(answer["groups"])
        return (self.change("groups", found, f"also {', '.join(missing)}"),) if missing else ()

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it or add it to its groups."""
        return (Step(step="user", arguments={"name": self.name, "home": self.home, "groups": list(self.groups)}),)

    def undo(self) -> str:
        """Remove the account; it has no home of its own."""
        return f"userdel {self.name}"
