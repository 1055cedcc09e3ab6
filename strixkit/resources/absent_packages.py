"""Kind `absent_packages`: packages that must not be there."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from strixkit.resources.base import Answer, Change, Question, Resource, Step

REPAIR = "dpkg --configure -a && apt-get --fix-broken install"
WORD = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~*-]+)?")


def _word(value: str) -> str:
    if not WORD.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a package, nor name=pattern for some versions of it")
    return value


class AbsentPackages(Resource):
    """Packages in the way. A name may be `name=pattern`: then only such versions are, e.g. `rocminfo=5.7.*`.

    What depends on them goes too, and what only they have needed; both are shown before.

    purge: their configuration is in the way as well; otherwise it stays for the day on which they come back.
    """

    kind: ClassVar[str] = "absent_packages"
    label: str
    names: tuple[Annotated[str, AfterValidator(_word)], ...]
    purge: bool = True

    @property
    def id(self) -> str:
        """`absent_packages:label`."""
        return f"{self.kind}:{self.label}"

    def question(self) -> Question:
        """Versions, and what would go with them."""
        return {"ask": "absent_packages", "names": list(self.names), "purge": self.purge}

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"found": {}, "along": []}

    def refuse(self, answer: Answer) -> str | None:
        """What goes must be known before anything goes, and what somebody holds is not taken from him."""
        held = [str(name) for name in answer.get("held") or ()]
        command = shlex.join(["apt-mark", "unhold", *held]) if held else REPAIR
        on_hold = f"on hold: {', '.join(held)}"
        if answer.get("fault"):
            found = ", ".join(sorted(answer["found"]))
            why = f"apt does not say what would go with {found}: {answer['fault']}" + (f" ({on_hold})" if held else "")
        elif held:
            why = f"what goes is {on_hold} ({self.reason})"
        else:
            return None
        return f"{why}; on the box: {command}"

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """One change for each package that is there, and one for all that go along."""
        changes = [self.change(name, version, "absent") for name, version in sorted(answer["found"].items())]
        along = [str(name) for name in answer["along"]]
        if changes and along:
            why = "they need what is removed, or only it needs them"
            changes.append(self.change("with them", ", ".join(along), "absent", reason=why))
        return tuple(changes)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Take them away in one call."""
        return (Step(step="purge", arguments={"packages": list(self.names), "purge": self.purge}),)

    def undo(self) -> str:
        """Install them again, by apt."""
        return shlex.join(["apt-get", "install", *dict.fromkeys(name.partition("=")[0] for name in self.names)])
