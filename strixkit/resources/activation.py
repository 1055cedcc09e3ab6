"""Kind `activation`: a release that is on the box already must be the one in service (rollback)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Step


class Activation(Resource):
    """Names an earlier release; its folder holds all that is needed."""

    kind: ClassVar[str] = "activation"
    service: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    release: str = Field(pattern=r"^[0-9a-f]{12}$")

    @property
    def id(self) -> str:
        """`activation:service`."""
        return f"{self.kind}:{self.service}"

    def question(self) -> Question:
        """The same as the release's."""
        return release_question(self.service)

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare the current release."""
        found = str(answer["current"])
        return () if found == self.release else (self.change("release", found, self.release, Risk.RESTART),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Bring it into service through the gate."""
        arguments = {"service": self.service, "release": self.release, "beside": False, "rollback": True}
        return (Step(step="activate", arguments=arguments, phase=Step.ACTIVATE),)

    def undo(self) -> str:
        """Another deploy: the release that was left is kept."""
        return "(invoke deploy brings back what the inventory wishes)"


def release_question(service: str) -> Question:
    """Ask for the state of a service."""
    return {"ask": "release", "service": service, "unit": f"llama-server-{service}.service"}
