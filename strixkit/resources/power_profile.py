"""Kind `power_profile`: the machine's power profile, by tuned or by power-profiles-daemon; verified, not only set."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step

UNITS = {"tuned": "tuned.service", "power-profiles": "power-profiles-daemon.service"}


class PowerProfile(Resource):
    """A profile that is active and, with tuned, found in the system's settings: a switch may fail later."""

    kind: ClassVar[str] = "power_profile"
    by: Literal["tuned", "power-profiles"]
    profile: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")

    @property
    def id(self) -> str:
        """`power_profile:by`."""
        return f"{self.kind}:{self.by}"

    def requires(self) -> set[str]:
        """The daemon that keeps it."""
        return {f"daemon:{UNITS[self.by]}"}

    def question(self) -> Question:
        """The active profile, and whether it took."""
        return {"ask": self._word, "profile": self.profile}

    @property
    def _word(self) -> str:
        return self.by if self.by == "tuned" else "power_profile"

    def absent(self) -> Answer:
        """Nobody keeps a profile."""
        return {"profile": ""}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """Compare the profile; then, whether the system's settings are what it says."""
        found = str(answer["profile"])
        if found != self.profile:
            return (self.change("profile", found or "none", self.profile),)
        if self.by == "tuned" and not answer.get("verified"):
            # Unconfirmed: whether every setting takes on a Strix Halo.
            why = "/var/log/tuned/tuned.log says which setting did not take; strix_tuning: none does without"
            return (self.change("verified", "tuned-adm verify fails", "the settings are the profile's", reason=why),)
        return ()

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Switch, when the daemon runs."""
        return (Step(step=self._word, arguments={"profile": self.profile}, phase=Step.START),)

    def undo(self) -> str:
        """The daemon's own choice."""
        if self.by == "tuned":
            return 'tuned-adm profile "$(tuned-adm recommend)"'
        return "powerprofilesctl set balanced"
