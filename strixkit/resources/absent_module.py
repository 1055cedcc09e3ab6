"""Kind `absent_module`: a kernel module that must not be loaded; only a reboot makes it so."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Step


class AbsentModule(Resource):
    """A driver that is not installed any more, or is about to go, stays loaded until the machine boots again."""

    kind: ClassVar[str] = "absent_module"
    name: str = Field(pattern=r"^[a-z0-9_]+$")

    @property
    def id(self) -> str:
        """`absent_module:name`."""
        return f"{self.kind}:{self.name}"

    def question(self) -> Question:
        """Whether it is loaded."""
        return {"ask": "modules", "names": [self.name]}

    def absent(self) -> Answer:
        """It is not."""
        return {"loaded": []}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It is loaded until a reboot."""
        if self.name not in answer["loaded"]:
            return ()
        return (self.change("live", "loaded", "not loaded", Risk.REBOOT),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Nothing: the GPU's driver cannot be exchanged while it is used."""
        return ()

    def undo(self) -> str:
        """Nothing was done."""
        return "(nothing: a reboot loads the driver that is installed)"
