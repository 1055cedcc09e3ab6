"""Variables that files set for everybody (/etc/environment, environment.d, profile.d), and taking one out."""

from __future__ import annotations

import re
import subprocess
from typing import Any, Dict, List, Tuple

from strixkit.remote.agent import atomic, backup
from strixkit.remote.agent.report import Report

MOST_BYTES = 1 << 20
# One word of a shell that expands nothing, or one quoted text. What else a line may do is its owner's business.
WORD = r"""(?:"[^"`$\\]*"|'[^']*'|[^\s"'`$\\;&|<>()#]*)*"""
GOES_ON = re.compile(r"(?:\\|&&|\|)$")  # the end of a line whose command has not ended


def observe(question: Dict[str, Any]) -> Dict[str, Any]:
    """The lines of the file that do nothing but set the variable."""
    path = str(question["path"])
    return {"lines": _split(path, atomic.read_text(path, MOST_BYTES) or "", str(question["name"]))[0]}


def unset(step: Dict[str, Any], report: Report) -> None:
    """Remove those lines; the file as it was is kept, and so are its owner and mode. Of a link: what it points to."""
    path = str(step["path"])
    with open(path, "rb") as handle:
        data = handle.read()
    lines, left = _split(path, data.decode("utf-8", "surrogateescape"), str(step["name"]))
    if lines:
        report("the file as it was: %s" % backup.keep(path))
        atomic.rewrite(path, left.encode("utf-8", "surrogateescape"))


def _split(path: str, text: str, name: str) -> Tuple[List[str], str]:
    """The lines that set `name`, and the text without them."""
    sets = re.compile(r"\s*(?:export\s+)?%s=%s\s*;?\s*(?:#.*)?" % (re.escape(name), WORD))
    rest = re.compile(r"\s*export\s+%s\s*;?\s*(?:#.*)?" % re.escape(name))  # exports what a line before has set
    every = text.splitlines(keepends=True)
    whole = [not (before and GOES_ON.search(before.rstrip())) for before in ["", *every[:-1]]]
    hits = [at for at, line in enumerate(every) if whole[at] and sets.fullmatch(line.rstrip("\r\n"))]
    gone = {at for at, line in enumerate(every) if whole[at] and rest.fullmatch(line.rstrip("\r\n"))} if hits else set()
    left = "".join(line for at, line in enumerate(every) if at not in gone.union(hits))
    if hits and path.endswith(".sh") and not _is_script(left):
        return [], text
    return [every[at].strip() for at in hits], left


def _is_script(text: str) -> bool:
    """Whether a shell can still read it: without its only line an `if` cannot, and every login would end there.

    Text between << and its end is not a line that sets anything, so a script with such is left to its owner.
    """
    if "<<" in text:
        return False
    done = subprocess.run(["sh", "-n"], input=text.encode("utf-8", "surrogateescape"), capture_output=True)
    return done.returncode == 0
