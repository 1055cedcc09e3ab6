"""Kind `evaluation`: one run of llama-perplexity whose result is kept on the box; and the base's logits, gone again."""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from pydantic import Field

from strixkit.resources.base import Answer, Change, Question, Resource, Step
from strixkit.resources.download import gigabytes

EVALUATIONS = "/var/lib/strixkit/evaluations"
ID = r"^[0-9a-f]{64}$"


class Evaluation(Resource):
    """A run that must have a result.

    run: its id, a hash of all that shapes it. what: for people. spec: what the agent needs to make it; with `base`, the
    spec of the run that its logits are from. needs: bytes that those take at most. before: the runs of bases, each with
    such a number, whose logits are there at the same time.
    """

    kind: ClassVar[str] = "evaluation"
    run: str = Field(pattern=ID)
    what: str
    spec: dict[str, Any]
    needs: int = Field(ge=0)
    before: tuple[tuple[str, int], ...] = ()
    after: tuple[str, ...] = Field(default=(), description="ids of resources that come first")

    @property
    def id(self) -> str:
        """`evaluation:what`."""
        return f"{self.kind}:{self.what}"

    def requires(self) -> set[str]:
        """The files that it reads, and the run before it."""
        return {f"directory:{EVALUATIONS}", f"user:{self.spec['user']}", *self.after}

    def question(self) -> Question:
        """Whether it has a result, and whether there is room for the logits."""
        logits = [[run, size] for run, size in (*self.before, (self._logits_of, self.needs))]
        return {"ask": "evaluation", "run": self.run, "logits": logits}

    @property
    def _logits_of(self) -> str:
        base = self.spec.get("base")
        return str(base["id"]) if base else self.run

    def absent(self) -> Answer:
        """Nothing is there."""
        return {"finished": False, "running": False, "logits_bytes": 0, "lacks_bytes": 0}

    def refuse(self, answer: Answer) -> str | None:
        """A full disk is no failure for the program, so it is one before."""
        if answer["finished"] or not answer["lacks_bytes"]:
            return None
        lacks, all_of_them = gigabytes(int(answer["lacks_bytes"])), self.needs + sum(size for _, size in self.before)
        return (
            f"{self.what}: the base's logits take up to {gigabytes(all_of_them)} in {EVALUATIONS}, and {lacks} "
            "too little is free: fewer --chunks, or make room there (du -xh -d2 / shows what is large)"
        )

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """It has a result, or it is to be run."""
        if answer["finished"]:
            return ()
        wanted = "a result" if "base" in self.spec else f"a result, and logits of at most {gigabytes(self.needs)}"
        return (self.change("run", "running" if answer["running"] else "absent", wanted),)

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Run it."""
        return (Step(step="evaluate", arguments={"spec": self.spec}),)

    def undo(self) -> str:
        """Remove what is kept of it."""
        return f"rm -r {shlex.quote(f'{EVALUATIONS}/{self.run}')}"


class NoLogits(Resource):
    """The wish that the logits of a base's run be gone when all that is compared with them has been."""

    kind: ClassVar[str] = "no_logits"
    run: str = Field(pattern=ID)
    what: str
    after: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`no_logits:what`."""
        return f"{self.kind}:{self.what}"

    def requires(self) -> set[str]:
        """All runs that need them."""
        return set(self.after)

    def question(self) -> Question:
        """How large they are."""
        return {"ask": "evaluation", "run": self.run, "logits": [[self.run, 0]]}

    def absent(self) -> Answer:
        """There are none."""
        return {"finished": False, "running": False, "logits_bytes": 0, "lacks_bytes": 0}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        """They are there or not."""
        size = int(answer["logits_bytes"])
        return (self.change("logits", gigabytes(size), "removed"),) if size else ()

    def steps(self, answer: Answer) -> tuple[Step, ...]:
        """Remove them."""
        return (Step(step="drop_logits", arguments={"ids": [self.run]}),)

    def undo(self) -> str:
        """They can be made again."""
        return "(nothing: the next run that needs them makes them again)"
