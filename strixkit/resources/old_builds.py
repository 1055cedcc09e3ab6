"""Kind `old_builds`: builds that no release uses any more go, but for the newest."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step

KEEP = 3


class OldBuilds(Resource):
    """Of all builds of a runtime those stay that a kept release uses, and the newest `keep` with the wanted one."""

    kind: ClassVar[str] = "old_builds"
    name: str
    wanted: str = Field(description="id of the build that the host is to have")
    keep: int = Field(default=KEEP, ge=1)

    @property
    def id(self) -> str:
        """`old_builds:name`."""
        return f"{self.kind}:{self.name}"

    def requires(self) -> set[str]:
        """The new one is there before an old one goes."""
        return {f"build:{self.wanted}"}

    def question(self) -> Question:
        """All builds of the runtime, and which releases use each."""
        return {"ask": "builds", "name": self.name}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"builds": []}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """One change for each that goes."""
        return tuple(self.change(build, "used by no release", "removed") for build in self._superfluous(answer))

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Remove them; the agent looks once more whether a release uses one."""
        return tuple(Step(step="remove_build", arguments={"id": build}) for build in self._superfluous(answer))

    def undo(self) -> str:
        """The same build comes back with its lock and its tools."""
        return "(nothing: invoke build makes one again)"

    def _superfluous(self, answer: Answer) -> list[str]:
        """The wanted one counts as the newest, whether it is there yet or not: so what goes is known beforehand."""
        others = [item for item in answer["builds"] if item["id"] != self.wanted]
        newest_first = sorted(others, key=lambda item: str(item["built"]), reverse=True)
        return [str(item["id"]) for item in newest_first[self.keep - 1 :] if not item["used_by"]]
