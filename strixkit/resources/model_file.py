"""Kinds `checked_model` and `no_model`: a model file whose bytes were looked at; one that must not be there."""

from __future__ import annotations

import shlex
from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Resource, Step
from strixkit.resources.path import AbsolutePath


class ModelFile(Resource):
    """What both share: the file and the question."""

    path: AbsolutePath

    @property
    def id(self) -> str:
        """Its kind and its path."""
        return f"{self.kind}:{self.path}"

    def question(self) -> Question:
        """Recorded hash, what strix-verify has said, which releases use it."""
        return {"ask": "model_file", "path": self.path}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"exists": False}


class CheckedModel(ModelFile):
    """A file of which sha256 and strix-verify's verdict are recorded, good or bad.

    since: a time of the box, in seconds: the file is read in full unless that was done later; None: once will do.
    build: the id of our programs. user, sandbox: as whom and how strix-verify runs.
    """

    kind: ClassVar[str] = "checked_model"
    since: float | None = None
    build: str
    user: str
    sandbox: tuple[str, ...]

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """A file that went meanwhile is not missed."""
        if not answer["exists"]:
            return ()
        checked = answer["checked"]
        if not answer["sha256"] or not checked:
            return (self.change("content", "not looked at yet", "read and checked"),)
        if self.since is not None and not (checked["full"] and float(checked["at"]) >= self.since):
            return (self.change("content", f"was {checked['verdict']}", "read again and checked"),)
        return ()

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Look at it."""
        arguments = {
            "path": self.path,
            "full": self.since is not None,
            "build": self.build,
            "user": self.user,
            "sandbox": list(self.sandbox),
        }
        return (Step(step="verify_model", arguments=arguments),)

    def undo(self) -> str:
        """Nothing of the file was changed."""
        return "(nothing: a file was read)"


class NoModel(ModelFile):
    """A file, a link, or a half download that must not be there. size: bytes, for people."""

    kind: ClassVar[str] = "no_model"
    size: str

    def refuse(self, answer: Answer) -> str | None:
        """What a release uses stays: it could not come back."""
        used = answer.get("used_by") or []
        return f"{self.path} is used by {', '.join(used)}, so it stays" if used else None

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It is there, or it is not."""
        return (self.change("presence", self.size, "removed"),) if answer["exists"] else ()

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Remove it; the agent looks once more whether a release uses it."""
        return (Step(step="remove_model", arguments={"path": self.path}),)

    def undo(self) -> str:
        """It has to come from where it came."""
        return f"(nothing: {shlex.quote(self.path)} comes back with invoke pull or invoke deploy)"
