"""Kind `packages`: packages of the distribution that must be installed."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from strixkit.resources.base import Answer, Change, Question, Resource, Step


def _package_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise ValueError(f"{value!r} is not the name of a package")
    return value


class Packages(Resource):
    """A set of packages; versions are the distribution's. The agent picks the package manager (apt now, dnf later)."""

    kind: ClassVar[str] = "packages"
    label: str
    names: tuple[Annotated[str, AfterValidator(_package_name)], ...]

    @property
    def id(self) -> str:
        """`packages:label`."""
        return f"{self.kind}:{self.label}"

    def question(self) -> Question:
        """Installed versions."""
        return {"ask": "packages", "names": list(self.names)}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """One change for each missing package."""
        return tuple(self.change(name, "absent", "installed") for name in self.names if name not in answer)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Install what is missing, in one call."""
        missing = [name for name in self.names if name not in answer]
        return (Step(step="packages", arguments={"packages": missing}),)

    def undo(self) -> str:
        """Remove them, by apt. What was installed before is removed too: apt names what it is about to do and asks."""
        return shlex.join(["apt-get", "remove", *self.names])
