"""What all kinds that live at a path share: owner, group, mode, and the folders above them."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from strixkit.resources.base import Answer, Change, Resource

BACKUP = "/var/lib/strixkit/backup"  # see remote/agent/backup.py


def _absolute(value: str) -> str:
    if not value.startswith("/") or "\0" in value or "\n" in value or str(PurePosixPath(value)) != value:
        raise ValueError("an absolute path without '..', '//', a last slash or line breaks is wanted")
    if ".." in PurePosixPath(value).parts:
        raise ValueError("'..' is not allowed")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


def in_the_way(path: str, answer: Answer, wanted: str, allowed: Collection[str]) -> str | None:
    """What to say of a thing at `path` that is none of the `allowed` types, or a link that another user has made.

    allowed: types that may be there: they are what is wanted, or can be replaced without a loss.
    """
    found, name = str(answer["type"]), shlex.quote(path)
    if found == "symlink" and answer.get("owner") != "root":
        whose = f"a symlink that belongs to {answer.get('owner')}"
        return f"{path} is {whose}, wanted {wanted}: make it root's (chown -h root:root {name}) or move it away"
    if found in allowed:
        return None
    if found == "symlink":
        to = f"a symlink to {answer.get('target')}, which is {_followed(answer)}"
        return f"{path} is {to}, wanted {wanted}: point it to one, or remove it (rm {name})"
    return f"{path} is a {found}, wanted {wanted}: move it away (mv {name} {shlex.quote(path + '.away')})"


def _followed(answer: Answer) -> str:
    found = (answer.get("followed") or {}).get("type", "absent")
    return "not there" if found == "absent" else f"a {found}"


def put_back(path: str) -> str:
    """The shell line that brings a file back as it was before strixkit changed or removed it."""
    return f'cp -a "$(ls -t {shlex.quote(BACKUP + path)}.[0-9]* | head -1)" {shlex.quote(path)}'


class Placed(Resource):
    """Something at a path with an owner."""

    path: AbsolutePath
    owner: str = "root"
    group: str = "root"
    mode: int = Field(ge=0, le=0o7777)

    @property
    def id(self) -> str:
        """`kind:path`."""
        return f"{self.kind}:{self.path}"

    def requires(self) -> set[str]:
        """Its folders, its owner, its group."""
        above = {f"directory:{folder}" for folder in PurePosixPath(self.path).parents}
        return above | {f"user:{self.owner}", f"group:{self.group}"}

    def diff_owner(self, answer: Answer) -> tuple[Change, ...]:
        """Differences in owner, group and mode."""
        pairs = [
            ("owner", answer.get("owner"), self.owner),
            ("group", answer.get("group"), self.group),
            ("mode", f"{answer.get('mode', 0):04o}", f"{self.mode:04o}"),
        ]
        return tuple(self.change(field, found, wanted) for field, found, wanted in pairs if found != wanted)

    def owner_arguments(self) -> dict[str, object]:
        """What a step needs to place it."""
        return {"path": self.path, "owner": self.owner, "group": self.group, "mode": self.mode}
