"""Kind `daemon`: a service that a package brought, which must run, or must not."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step

STARTED_AT_BOOT = ("enabled", "static", "generated", "indirect", "alias")
NEVER_STARTED = ("", "masked")  # without a unit there is nothing to start


class Daemon(Resource):
    """One that must not run is masked: D-Bus would start a disabled one as soon as somebody asks for it."""

    kind: ClassVar[str] = "daemon"
    name: str = Field(pattern=r"^[a-zA-Z0-9@._-]+\.service$")
    running: bool
    package: str = Field(default="", description="label of the `packages` that bring it")

    @property
    def id(self) -> str:
        """`daemon:name`."""
        return f"{self.kind}:{self.name}"

    def requires(self) -> set[str]:
        """Its package."""
        return {f"packages:{self.package}"}

    def question(self) -> Question:
        """Its state."""
        return {"ask": "unit", "unit": self.name}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"active": "inactive", "enabled": ""}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare whether it starts by itself, and whether it runs."""
        enabled, active = str(answer.get("enabled") or ""), str(answer.get("active") or "inactive")
        changes = []
        if self.running:
            if enabled not in STARTED_AT_BOOT:
                changes.append(self.change("enabled", enabled or "absent", "enabled"))
            if active != "active":
                changes.append(self.change("active", active, "active"))
        else:
            if enabled not in NEVER_STARTED:
                changes.append(self.change("enabled", enabled, "masked"))
            if active in ("active", "activating", "reloading"):
                changes.append(self.change("active", active, "inactive"))
        return tuple(changes)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Unmask, enable and start; or mask and stop: systemd knows a masked unit though its package may be gone."""
        verbs = ("unmask", "enable", "start") if self.running else ("mask", "stop")
        return tuple(Step(step="unit", arguments={"unit": self.name, "verb": verb}, phase=Step.START) for verb in verbs)

    def undo(self) -> str:
        """The other way round."""
        if self.running:
            return f"systemctl disable --now {self.name}"
        return f"systemctl unmask {self.name}; systemctl enable --now {self.name}"
