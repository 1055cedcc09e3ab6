"""The results, and what would be ideal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

TOOLS = ("strixkit", "aria2c", "curl")


@dataclass(frozen=True)
class Run:
    """One fetch by all boxes. seconds: of the whole command. origin: bytes that the origin sent, by the file's size.

    before, during, after: seconds until the first request that the origin gives bytes for, until its last byte, and
    until the command ends. load: average of the last minute just before. None: not looked at.
    """

    seconds: float
    origin: float
    before: float | None = None
    during: float | None = None
    after: float | None = None
    load: float | None = None


@dataclass
class Result:
    """Of one number of boxes. size: bytes; rate, link: bytes/s of the origin and between two boxes."""

    boxes: int
    size: int
    rate: float
    link: float
    tools: dict[str, Run] = field(default_factory=dict)

    @property
    def ideal(self) -> float:
        """Seconds for one fetch and, where there is another box, one copy."""
        return self.size / self.rate + (self.size / self.link if self.boxes > 1 else 0)


def middle(runs: Sequence[Run]) -> Run:
    """The one of median seconds, with the most bytes that the origin sent in any."""
    best = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    return Run(best.seconds, max(run.origin for run in runs), best.before, best.during, best.after, best.load)


def keep(results: Sequence[Result], saved: Sequence[dict[str, Any]]) -> None:
    """Add the tools of earlier results that were not run now."""
    for now in results:
        for old in saved:
            if old["boxes"] == now.boxes:
                now.tools = {name: Run(**run) for name, run in old["tools"].items()} | now.tools


def table(results: Sequence[Result]) -> str:
    """In markdown, with the tools that were run."""
    one, tools = results[0], [tool for tool in TOOLS if tool in results[0].tools]
    lines = [
        f"A file of {one.size / 1e6:.0f} MB, an origin that sends {one.rate / 1e6:.0f} MB/s in total. Seconds, and in",
        "brackets the ratio to the ideal (one fetch, one copy); *origin*: bytes that it sent, by the size of the file",
        "",
        f"| boxes | link, MB/s | ideal | {' | '.join(f'{tool} | origin' for tool in tools)} |",
        f"|---|---|---|{'---|---|' * len(tools)}",
    ]
    for one in results:
        cells = []
        for tool in tools:
            done = one.tools[tool]
            cells += [f"{done.seconds:.1f} ({done.seconds / one.ideal:.2f})", f"{done.origin:.2f}"]
        lines.append(f"| {one.boxes} | {one.link / 1e6:.0f} | {one.ideal:.1f} | {' | '.join(cells)} |")
    lines += [
        "",
        "Of strixkit's seconds: before the origin is asked, until its last byte, after that; the machine's load",
        "",
    ]
    lines += ["| boxes | before | fetch | after | load |", "|---|---|---|---|---|"]
    for one in results:
        run = one.tools.get("strixkit")
        if run and run.before is not None:
            lines.append(
                f"| {one.boxes} | {run.before:.1f} | {run.during:.1f} | {run.after:.1f} | {run.load or 0:.0f} |"
            )
    return "\n".join(lines) + "\n"
