"""Kind `product`: a file that a tool of the runtime makes on the box, known by the digest of all that shapes it."""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step
from strixkit.resources.download import gigabytes
from strixkit.resources.path import AbsolutePath, in_the_way

MADE = "/var/lib/strixkit/made"


class Product(Resource):
    """A made file. It is made once: again only when its key is another one.

    key: digest of its inputs' hashes, of the command, and of the runtime. size: bytes that it takes at most.
    needs: path, bytes and sha256 (or an empty text) of the files that there must be before it.
    spec: what the agent needs to make it. after: ids of resources that come first.
    """

    kind: ClassVar[str] = "product"
    path: AbsolutePath
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(gt=0)
    needs: tuple[tuple[str, int, str], ...]
    spec: dict[str, Any]
    after: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`product:path`."""
        return f"{self.kind}:{self.path}"

    def requires(self) -> set[str]:
        """Its folder, and what it is made of."""
        return {f"directory:{MADE}", *self.after}

    def question(self) -> Question:
        """Whether it is there, made of the same, or being made; and whether the rest has room."""
        return {"ask": "product", "path": self.path, "key": self.key, "bytes": self.size, "needs": list(self.needs)}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"exists": False, "key": "", "running": False, "lacks_bytes": 0, "free_bytes": 0}

    def refuse(self, answer: Answer) -> str | None:
        """Something that nobody has made may lie there; and there must be room for all that is still to come."""
        if answer["exists"] and (blocked := in_the_way(self.path, answer, "a file", {"file"})):
            return blocked
        if not answer["lacks_bytes"]:
            return None
        return (
            f"{self.path} takes {gigabytes(self.size)} at most, and with what it is made of "
            f"{gigabytes(int(answer['lacks_bytes']))} more than is free ({gigabytes(int(answer['free_bytes']))}): "
            f"make room there (du -xh -d2 {MADE} shows what is large)"
        )

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It is there and was made of the same, or it is to be made."""
        if answer["key"] == self.key:
            return ()
        if answer["running"]:
            found = "being made"
        elif answer["exists"]:
            found = "made of something else, or changed since" if answer["key"] else "a file of unknown making"
        else:
            found = "absent"
        wanted = f"made by {self.spec['tool']}, {gigabytes(self.size)} at most"
        free = f", {gigabytes(int(answer['free_bytes']))} are free" if answer["free_bytes"] else ""
        return (self.change("content", found, wanted, reason=f"{self.reason}{free}"),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Make it, or go on with what is being made."""
        return (Step(step="make", arguments={**self.spec, "path": self.path, "key": self.key}),)

    def undo(self) -> str:
        """Remove it and what is recorded of it."""
        return f"rm {shlex.quote(self.path)} {shlex.quote(self.path)}.*"
