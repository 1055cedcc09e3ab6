"""What all kinds share: a resource is a wish; it asks one question, compares, and names the steps to get there."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

LIVE = " (live)"  # may end the field of a change whose risk is REBOOT: its name is also that of what is configured
Answer = dict[str, Any]
Question = dict[str, Any]


class Risk(StrEnum):
    """What a change interrupts. REBOOT: no step makes it so, only a reboot; until then it is pending and no failure."""

    NONE = "none"
    RELOAD = "reload"
    RESTART = "restart"
    REBOOT = "reboot"


class Change(BaseModel):
    """One difference between what is and what is wanted; the only currency of plan, deploy, audit and journal."""

    model_config = ConfigDict(frozen=True)

    resource: str
    field: str
    found: str
    wanted: str
    reason: str = ""
    risk: Risk = Risk.NONE
    text: bool = Field(default=False, description="found and wanted are whole texts, to be shown as a diff")


class Step(BaseModel):
    """One thing for the agent to do; `phase` orders steps across resources, equal ones are done once."""

    model_config = ConfigDict(frozen=True)

    MAKE: ClassVar[int] = 0
    RELOAD: ClassVar[int] = 1
    START: ClassVar[int] = 2
    ACTIVATE: ClassVar[int] = 3

    step: str
    arguments: dict[str, Any]
    phase: int = MAKE


class Upload(BaseModel):
    """A large file that the controller must send before the steps run."""

    model_config = ConfigDict(frozen=True)

    path: str
    target: str
    sha256: str
    offset: int


class Resource(BaseModel):
    """The desired state of one thing on a host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]
    reason: str = Field(default="", description="why the role wants it; shown beside each change")

    @property
    def id(self) -> str:
        """`kind:name`, unique on a host."""
        raise NotImplementedError

    def requires(self) -> set[str]:
        """Ids of resources that come first if they are in the same set."""
        return set()

    def question(self) -> Question:
        """What the agent must look at."""
        raise NotImplementedError

    def absent(self) -> Answer:
        """The answer of a bare machine, for a plan without a box."""
        raise NotImplementedError

    def refuse(self, answer: Answer) -> str | None:
        """Why the wish cannot be made true from the answered state on, and what to do; None when it can."""
        return None

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Differences between the answer and the wish; empty means that it is so already."""
        raise NotImplementedError

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """What makes it so, from the answered state on; asked for only when there is a difference."""
        raise NotImplementedError

    def uploads(self, answer: Answer) -> tuple[Upload, ...]:
        """Files to send before the steps."""
        return ()

    def undo(self) -> str:
        """How a person takes it back: one shell line for root, or words in brackets where nothing is to be done."""
        raise NotImplementedError

    def change(
        self,
        field: str,
        found: object,
        wanted: object,
        risk: Risk = Risk.NONE,
        *,
        text: bool = False,
        reason: str | None = None,
    ) -> Change:
        """Make a Change of this resource; `reason` where the resource's own says too little of this one."""
        return Change(
            resource=self.id,
            field=field,
            found=str(found),
            wanted=str(wanted),
            reason=self.reason if reason is None else reason,
            risk=risk,
            text=text,
        )
