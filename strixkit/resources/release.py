"""Kind `release`: one complete activated set (runtime + model + rendered unit + manifest) of a service."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Step

SHOWN = ("profile", "model", "runtime", "context", "port")


class Release(Resource):
    """The release that must be in service. Its id is a hash of everything that shapes the process."""

    kind: ClassVar[str] = "release"
    service: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    release: str = Field(pattern=r"^[0-9a-f]{12}$")
    unit: str
    candidate: str
    manifest: dict[str, Any]
    beside: bool = Field(description="there is memory to rehearse it while the old one serves")

    @property
    def id(self) -> str:
        """`release:service`."""
        return f"{self.kind}:{self.service}"

    @property
    def unit_name(self) -> str:
        """The systemd unit of the service."""
        return f"llama-server-{self.service}.service"

    def question(self) -> Question:
        """Current release, installed unit, running process."""
        return {"ask": "release", "service": self.service, "unit": self.unit_name}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"current": "", "gated": [], "unit": {"active": "inactive"}}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare the release, its unit and the live process."""
        found = answer["current"] or "none"
        if found != self.release or self.release not in answer["gated"]:
            return (self._release_change(answer, found), *self._manifest_changes(answer.get("manifest") or {}))
        changes = []
        unit = answer["unit"]
        if answer["installed"] != self.unit.rstrip("\n"):
            changes.append(self.change("unit", answer["installed"] or "", self.unit, Risk.RESTART, text=True))
        if unit["enabled"] != "enabled":
            changes.append(self.change("enabled", unit["enabled"] or "no", "enabled"))
        if unit["active"] != "active":
            changes.append(self.change("active", unit["active"], "active", Risk.RESTART))
        elif (runs := unit["process"].get("digest", "")) != self.release:
            changes.append(self.change("process", f"runs release {runs or 'unknown'}", self.release, Risk.RESTART))
        elif unit["process"].get("exe", "").endswith(" (deleted)"):
            changes.append(
                self.change("process", "runs a binary that was replaced", "the binary on disk", Risk.RESTART)
            )
        return tuple(changes)

    def _release_change(self, answer: Answer, found: str) -> Change:
        if found == self.release:
            found = f"{found} (never passed the gate)"
        return self.change("release", found, self.release, Risk.RESTART)

    def _manifest_changes(self, old: dict[str, Any]) -> tuple[Change, ...]:
        changes = [
            self.change(key, json.dumps(old.get(key)), json.dumps(self.manifest.get(key)), Risk.RESTART)
            for key in SHOWN
            if old and old.get(key) != self.manifest.get(key)
        ]
        before, after = old.get("options", {}), self.manifest.get("options", {})
        for key in [name for name in {**before, **after} if old and before.get(name) != after.get(name)]:
            changes.append(self.change(key, before.get(key, "not set"), after.get(key, "not set"), Risk.RESTART))
        return tuple(changes)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Write the release's folder, then bring it into service through the gate."""
        files = {
            "unit": self.unit,
            "candidate": self.candidate,
            "manifest.json": json.dumps(self.manifest, indent=2, sort_keys=True) + "\n",
        }
        name = {"service": self.service, "release": self.release}
        running = answer["unit"]["active"] == "active"
        return (
            Step(step="release", arguments={**name, "files": files}),
            Step(step="activate", arguments={**name, "beside": self.beside and running}, phase=Step.ACTIVATE),
        )
