"""Kind `release`: one complete activated set (runtime + model + rendered unit + manifest) of a service."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import Field

from strixkit.resources import process
from strixkit.resources.activation import release_question
from strixkit.resources.base import Answer, Change, Question, Resource, Risk, Step

SERVICES = "/var/lib/strixkit/services"
SHOWN = ("profile", "model", "runtime")


def directives(unit: str) -> str:
    """A unit file without its comments: another number in one, as of a formula that was mended, restarts nothing."""
    return "\n".join(line for line in unit.splitlines() if line and not line.startswith("#"))


class Release(Resource):
    """The release that must be in service. Its id is a hash of everything that shapes the process."""

    kind: ClassVar[str] = "release"
    service: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    release: str = Field(pattern=r"^[0-9a-f]{12}$")
    unit: str
    candidate: str
    manifest: dict[str, Any]
    wishes: str = Field(default="", description="digest of what the memory plan was made for")
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
        """Current release, installed unit, running process; of the key only whether the process has loaded it."""
        argv, key = self.manifest.get("argv"), self.manifest.get("key_file")
        return {
            **release_question(self.service),
            **({"binary": argv[0]} if argv else {}),
            **({"key": key} if key else {}),
        }

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
        if directives(answer["installed"] or "") != directives(self.unit):
            changes.append(self.change("unit", answer["installed"] or "", self.unit, Risk.RESTART, text=True))
        elif unit.get("reload_needed"):
            changes.append(self.change("loaded", "what the files said before", "what they say", Risk.RELOAD))
        if unit["enabled"] != "enabled":
            changes.append(self.change("enabled", unit["enabled"] or "no", "enabled"))
        odd = process.difference(self.manifest, self.release, self.unit_name, answer)
        if unit["active"] == "activating" and not odd:
            changes.append(self.change("active", "loading its model", "active"))
        elif unit["active"] != "active":
            changes.append(self.change("active", unit["active"], "active", Risk.RESTART))
        elif odd:
            changes.append(self.change("process", *odd, Risk.RESTART))
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

    def _mild_step(self, field: str) -> Step:
        """What mends a difference that needs no restart. `start` of a unit that is starting waits until it is ready."""
        if field == "loaded":
            return Step(step="reload", arguments={}, phase=Step.RELOAD)
        verb = {"enabled": "enable", "active": "start"}[field]
        return Step(step="unit", arguments={"unit": self.unit_name, "verb": verb}, phase=Step.START)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Write the release's folder, then bring it into service through the gate; less for what needs less."""
        changes = self.diff(answer)
        if all(change.risk is not Risk.RESTART for change in changes):
            return tuple(self._mild_step(change.field) for change in changes)
        files = {
            "unit": self.unit,
            "candidate": self.candidate,
            "manifest.json": json.dumps(self.manifest, indent=2, sort_keys=True) + "\n",
            # In a file of its own: other wishes that lead to the same release are recorded without touching the rest.
            "wishes": f"{self.wishes}\n",
        }
        name = {"service": self.service, "release": self.release}
        running = answer["unit"]["active"] == "active"
        return (
            Step(step="release", arguments={**name, "files": files}),
            Step(step="activate", arguments={**name, "beside": self.beside and running}, phase=Step.ACTIVATE),
        )

    def undo(self) -> str:
        """Stop the service for good and remove its unit and all of its releases."""
        unit, home = f"/etc/systemd/system/{self.unit_name}", f"{SERVICES}/{self.service}"
        return f"systemctl disable --now {self.unit_name}; rm -r {unit} {home}; systemctl daemon-reload"
