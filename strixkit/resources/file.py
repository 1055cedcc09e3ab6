"""Kind `file`: a small file with given content, or the wish that there be none."""

from __future__ import annotations

import base64
import hashlib
import shlex
from typing import ClassVar

from strixkit.resources.base import Answer, Change, Question, Step
from strixkit.resources.path import Placed, in_the_way, put_back


class File(Placed):
    """A file whose content the controller knows; `content` None means that it must not be there."""

    kind: ClassVar[str] = "file"
    content: str | None
    mode: int = 0o644

    def question(self) -> Question:
        """Type, owner, hash and (when small) text."""
        return {"ask": "path", "path": self.path, "hash": True}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"type": "absent"}

    def refuse(self, answer: Answer) -> str | None:
        """A file or a link is replaced; a folder or a device is in the way."""
        wanted = "nothing" if self.content is None else "a file"
        return in_the_way(self.path, answer, wanted, {"absent", "file", "symlink"})

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence, content, owner and mode."""
        found = str(answer["type"])
        if self.content is None:
            return () if found == "absent" else (self.change("presence", found, "absent"),)
        if found != "file":
            return (self.change("presence", found, "file"),)
        changes = self.diff_owner(answer)
        if answer.get("sha256") != hashlib.sha256(self.content.encode()).hexdigest():
            changes += (self.change("content", answer.get("text", ""), self.content, text=True),)
        return changes

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Write it in one rename, or remove it."""
        if self.content is None:
            return (Step(step="remove", arguments={"path": self.path, "keep": True}),)
        content = base64.b64encode(self.content.encode()).decode()
        return (Step(step="write", arguments={**self.owner_arguments(), "content": content}),)

    def undo(self) -> str:
        """Remove it; or put back the newest copy of what was removed."""
        if self.content is None:
            return put_back(self.path)
        return f"rm {shlex.quote(self.path)}"
