"""Kind `unit`: a systemd unit that is enabled, running, and running what is rendered."""

from __future__ import annotations

import base64
import hashlib
import shlex
from typing import ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Step

SECTION = "[Service]\n"


class Unit(Resource):
    """A unit file and its state.

    The text gets a digest of itself and of `inputs` as an environment variable. A process that carries another
    digest runs something else, so a restart that was missed is seen on the next run and cannot be forgotten.
    """

    kind: ClassVar[str] = "unit"
    name: str = Field(pattern=r"^[a-zA-Z0-9@._-]+\.(service|timer|socket|path|target)$")
    content: str
    inputs: tuple[str, ...] = Field(default=(), description="texts that shape the process, e.g. its configuration")
    enabled: bool = True
    running: bool = True

    @property
    def id(self) -> str:
        """`unit:name`."""
        return f"{self.kind}:{self.name}"

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits over the text and its inputs."""
        return hashlib.sha256("\0".join((self.content, *self.inputs)).encode()).hexdigest()[:12]

    @property
    def text(self) -> str:
        """The unit file as it lies on the box."""
        return self.content.replace(SECTION, f"{SECTION}Environment=STRIXKIT_DIGEST={self.digest}\n", 1)

    def question(self) -> Question:
        """File, state and process."""
        return {"ask": "unit", "unit": self.name}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"active": "inactive", "enabled": "", "process": {}}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare the file, enablement, activity, and what the process runs."""
        changes = []
        if answer.get("text") is None:
            changes.append(self.change("presence", "absent", "unit file", Risk.RELOAD))
        elif answer["text"] != self.text.rstrip("\n"):
            changes.append(self.change("content", answer["text"], self.text, Risk.RESTART, text=True))
        elif answer.get("reload_needed"):
            # No process tells of it for a timer, a socket or a path: a run that died here would be forgotten.
            changes.append(self.change("loaded", "what the files said before", "what they say", Risk.RELOAD))
        enabled = answer.get("enabled") in ("enabled", "static", "generated")
        if enabled != self.enabled:
            changes.append(self.change("enabled", enabled, self.enabled))
        active = answer.get("active") == "active"
        if active != self.running:
            changes.append(
                self.change("active", answer.get("active") or "inactive", "active" if self.running else "inactive")
            )
        runs = answer.get("process", {}).get("digest")
        if active and self.running and runs is not None and runs != self.digest:
            changes.append(
                self.change("process", f"runs digest {runs or 'none'}", f"digest {self.digest}", Risk.RESTART)
            )
        return tuple(changes)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Write, reload once, then enable and (re)start at the very end; only what the differences need."""
        fields = {change.field for change in self.diff(answer)}
        written = fields & {"presence", "content"}
        steps: list[Step] = []
        if written:
            content = base64.b64encode(self.text.encode()).decode()
            path = f"/etc/systemd/system/{self.name}"
            steps.append(Step(step="write", arguments={"path": path, "mode": 0o644, "content": content}))
        if written or answer.get("reload_needed"):
            steps.append(Step(step="reload", arguments={}, phase=Step.RELOAD))
        if written or "enabled" in fields:
            steps.append(self._verb("enable" if self.enabled else "disable"))
        if "active" in fields or (self.running and (written or "process" in fields)):
            steps.append(self._verb("restart" if self.running else "stop"))
        return tuple(steps)

    def undo(self) -> str:
        """Stop it for good and remove its file."""
        name = shlex.quote(self.name)
        return f"systemctl disable --now {name}; rm /etc/systemd/system/{name}; systemctl daemon-reload"

    def _verb(self, verb: str) -> Step:
        return Step(step="unit", arguments={"unit": self.name, "verb": verb}, phase=Step.START)
