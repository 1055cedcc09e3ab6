"""Kind `artifact`: a large file (a model), checked by SHA-256; sent by the controller, or already on the box."""

from __future__ import annotations

import shlex
from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Step, Upload
from strixkit.resources.path import Placed, in_the_way


class Artifact(Placed):
    """A file known by its hash. `source` is a path on the controller; None: it must be on the box already."""

    kind: ClassVar[str] = "artifact"
    mode: int = 0o644
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    size: int | None = Field(default=None, ge=0, description="bytes")
    source: str | None = None

    def question(self) -> Question:
        """Size, recorded hash, and how much of an upload is there."""
        return {"ask": "artifact", "path": self.path, "sha256": self.sha256}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"exists": False, "partial_bytes": 0}

    def refuse(self, answer: Answer) -> str | None:
        """A link to a file is as good as the file."""
        return in_the_way(self.path, answer, "a file", {"file"}) if answer["exists"] else None

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence and hash; a file that was never read has no hash yet."""
        wanted = f"sha256 {self.sha256}" if self.sha256 else "a file"
        if not answer["exists"]:
            return (self.change("presence", "absent", wanted),)
        if self.sha256 is None:
            return ()
        if not answer["sha256"]:
            return (self.change("sha256", "not read yet", self.sha256),)
        return () if answer["sha256"] == self.sha256 else (self.change("sha256", answer["sha256"], self.sha256),)

    def _must_be_sent(self, answer: Answer) -> bool:
        if self.source is None:
            return False
        return not answer["exists"] or (answer["sha256"] or self.sha256) != self.sha256 or answer["size"] != self.size

    def uploads(self, answer: Answer) -> tuple[Upload, ...]:
        """Send what is not there yet; a half upload is continued."""
        if not self._must_be_sent(answer) or self.source is None or self.sha256 is None:
            return ()
        offset = min(int(answer["partial_bytes"]), self.size or 0)
        return (Upload(path=self.source, target=self.path, sha256=self.sha256, offset=offset),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Check and place the upload, or read the file that is there once."""
        if self._must_be_sent(answer):
            return (Step(step="place", arguments={**self.owner_arguments(), "sha256": self.sha256}),)
        if not answer["exists"]:
            return ()
        return (Step(step="hash", arguments={"path": self.path, "sha256": self.sha256}),)

    def undo(self) -> str:
        """Remove what was sent; a file that was on the box already is its owner's."""
        if self.source is None:
            return "(nothing: strixkit reads this file and did not put it there)"
        return f"rm {shlex.quote(self.path)}"
