"""Kind `build`: one build of llama.cpp (or of our own programs) in an immutable folder on the box."""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step, Upload

BUILDS = "/var/lib/strixkit/builds"
CACHE = "/var/cache/strixkit/build"
PACKS = "/var/cache/strixkit/packs"
USER = "strixkit-build"
ID = r"^[a-z0-9][a-z0-9.-]{0,63}-[0-9a-f]{12}-[0-9a-f]{12}$"

STATES = {
    "absent": "absent",
    "partial": "begun and not finished",
    "running": "being built",
    "damaged": "changed after it was built",
}


class Pack(BaseModel):
    """A finished build of another box, packed on this machine. Size in bytes; host: where it was built."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=1)
    host: str


class Build(Resource):
    """A build that must be there, verified.

    build: its id, made of a name, the commit and a hash of all that shapes it. spec: what the agent needs to make it.
    origin: source and commit, for people. pack: it was built elsewhere, and is unpacked instead.
    """

    kind: ClassVar[str] = "build"
    build: str = Field(pattern=ID)
    spec: dict[str, Any]
    origin: str
    pack: Pack | None = None
    after: tuple[str, ...] = Field(default=(), description="ids of resources that come first")

    @property
    def id(self) -> str:
        """`build:id`."""
        return f"{self.kind}:{self.build}"

    @property
    def folder(self) -> str:
        """Where its programs are."""
        return f"{BUILDS}/{self.build}"

    def requires(self) -> set[str]:
        """The user, the folders and the packages that it needs."""
        return {f"user:{USER}", f"directory:{BUILDS}", f"directory:{CACHE}", f"directory:{PACKS}", *self.after}

    def question(self) -> Question:
        """Whether it is there as it was built, and how much of a pack has arrived."""
        pack = {"pack": self._target(), "sha256": self.pack.sha256} if self.pack else {}
        return {"ask": "build", "id": self.build, **pack}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"state": "absent", "faults": [], "partial_bytes": 0}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It is finished and nothing of it has changed, or it is to be made."""
        if answer["state"] == "finished":
            return ()
        found = STATES.get(answer["state"], str(answer["state"]))
        faults = "; ".join(answer.get("faults", []))
        wanted = f"the build of {self.pack.host}" if self.pack else f"built from {self.origin}"
        return (self.change("build", f"{found} ({faults})" if faults else found, wanted),)

    def uploads(self, answer: Answer) -> tuple[Upload, ...]:
        """The pack, or what of it has not arrived yet."""
        if self.pack is None or answer["state"] == "finished":
            return ()
        offset = min(int(answer.get("partial_bytes", 0)), self.pack.size)
        return (Upload(path=self.pack.path, target=self._target(), sha256=self.pack.sha256, offset=offset),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Build it, or unpack and verify it."""
        if self.pack is None:
            return (Step(step="build", arguments={"spec": self.spec}),)
        arguments = {
            "spec": self.spec,
            "path": self._target(),
            "sha256": self.pack.sha256,
            "host": self.pack.host,
        }
        return (Step(step="unpack_build", arguments=arguments),)

    def undo(self) -> str:
        """Remove it; a release that uses it cannot come back then."""
        return f"rm -r {shlex.quote(self.folder)}"

    def _target(self) -> str:
        return f"{PACKS}/{self.build}.tar"
