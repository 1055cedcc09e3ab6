"""Kind `download`: a large file that the box fetches itself, known by its hash, alone or together with other boxes."""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from strixkit.resources.base import Answer, Change, Question, Step
from strixkit.resources.path import Placed, in_the_way

FETCHER = "strixkit-fetch"
INCOMING = "/var/lib/strixkit/incoming"


def gigabytes(count: int) -> str:
    """Bytes as people read them: 16.5 GB, 12.6 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


class Peer(BaseModel):
    """Another box that has pieces or will have them: its LAN addresses in order, and the port where it serves them."""

    model_config = ConfigDict(frozen=True)

    name: str
    addresses: tuple[str, ...]
    port: int = Field(ge=1, le=65535)


class Part(BaseModel):
    """A box's part of a download that several boxes make together.

    pieces: what it fetches from the origin (`0-12,15`), of 1 MiB each; all others come from the peers.
    port: where it serves what it has. secret: who knows it is served.
    """

    model_config = ConfigDict(frozen=True)

    pieces: str
    peers: tuple[Peer, ...]
    port: int = Field(ge=1, le=65535)
    secret: str = Field(repr=False)

    def arguments(self) -> dict[str, Any]:
        """As the agent's step takes it."""
        peers = [peer.model_dump(mode="json") for peer in self.peers]
        return {"pieces": self.pieces, "peers": peers, "port": self.port, "secret": self.secret}


ALONE: dict[str, Any] = {"pieces": "all", "peers": [], "port": 0, "secret": ""}


class Download(Placed):
    """A file of a URL. `size` in bytes. token: the box's token of the hub may be sent there. origin: for people."""

    kind: ClassVar[str] = "download"
    mode: int = 0o644
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(gt=0)
    url: str
    token: bool = False
    origin: str = ""
    part: Part | None = None

    def requires(self) -> set[str]:
        """Beside its own folder the one where it arrives, and the user who fetches."""
        return super().requires() | {f"directory:{INCOMING}", f"user:{FETCHER}"}

    def question(self) -> Question:
        """Size, recorded hash, what has arrived, and whether the rest has room."""
        return {"ask": "download", "path": self.path, "sha256": self.sha256, "size": self.size}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"exists": False, "have_bytes": 0, "running": False, "lacks_bytes": 0}

    def refuse(self, answer: Answer) -> str | None:
        """A link to a file is as good as the file; and there must be room for what is still to come."""
        if answer["exists"]:
            return in_the_way(self.path, answer, "a file", {"file"})
        if not answer["lacks_bytes"]:
            return None
        unused = [f"{name} ({gigabytes(int(size))})" for name, size in answer.get("unused", [])]
        lacks = (
            f"{self.path} has {gigabytes(self.size)}, and {gigabytes(int(answer['lacks_bytes']))} too little is free"
        )
        return f"{lacks}: " + (
            f"no release uses {', '.join(unused)}; invoke models --host NAME lists and prunes"
            if unused
            else "make room there (du -xh -d2 / shows what is large)"
        )

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare presence and hash; a file that was never read has no hash yet."""
        wanted = f"{gigabytes(self.size)} from {self.origin or self.url}"
        if not answer["exists"]:
            return (self.change("presence", self._arrived(answer), wanted),)
        if not answer["sha256"]:
            return (self.change("sha256", "not read yet", self.sha256),)
        if answer["sha256"] == self.sha256:
            return ()
        return (self.change("sha256", answer["sha256"], f"{self.sha256}, {wanted}"),)

    def _arrived(self, answer: Answer) -> str:
        if answer["running"]:
            return "being fetched"
        return f"{gigabytes(int(answer['have_bytes']))} have arrived" if answer["have_bytes"] else "absent"

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Fetch it; or read the file that is there once."""
        if answer["exists"] and not answer["sha256"]:
            return (Step(step="hash", arguments={"path": self.path, "sha256": self.sha256}),)
        arguments = {
            **self.owner_arguments(),
            "sha256": self.sha256,
            "size": self.size,
            "url": self.url,
            "token": self.token,
            **(self.part.arguments() if self.part else ALONE),
        }
        return (Step(step="fetch", arguments=arguments),)

    def undo(self) -> str:
        """Remove it."""
        return f"rm {shlex.quote(self.path)}"
