"""Captured trees (tests/data/sysfs) as the agent reads them.

`python -m tests.trees` writes the facts files of bare boxes, tests/data/facts/bare, anew from their trees.
"""

from __future__ import annotations

from pathlib import Path

from strixkit.host.facts_answer import facts_in
from strixkit.host.facts_file import facts_text
from strixkit.planner.facts import Facts
from strixkit.remote.agent.facts import gather
from strixkit.remote.agent.machine import Machine

DATA = Path(__file__).parent / "data"
TREES = DATA / "sysfs"
BARE = {"framework-128gb": "strix-128gb-bare", "framework-64gb": "strix-64gb-bare"}


def names() -> list[str]:
    """All trees."""
    return sorted(path.name for path in TREES.iterdir() if path.is_dir())


def facts_of(name: str) -> Facts:
    """What the agent says of a tree, as the controller takes it."""
    return facts_in({"facts": gather(Machine(str(TREES / name)))}, name)


def bare_file(name: str) -> tuple[Path, str]:
    """The place of a facts file of a bare box, and the text that belongs there."""
    source = f"the agent on the captured tree tests/data/sysfs/{BARE[name]}; where each value is from: its README.md"
    return DATA / f"facts/bare/{name}.json", facts_text(source, facts_of(BARE[name]))


if __name__ == "__main__":
    for path, text in map(bare_file, BARE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path)
