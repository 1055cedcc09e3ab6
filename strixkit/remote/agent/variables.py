"""Variables that files set for everybody (/etc/environment, environment.d, profile.d), and taking one out."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Tuple

from strixkit.remote.agent import atomic, backup
from strixkit.remote.agent.report import Report

MOST_BYTES = 1 << 20
# One word of a shell that expands nothing, or one quoted text. What else a line may do is its owner's business.
WORD = r"""(?:"[^"`$\\]*"|'[^']*'|[^\s"'`$\\;&|<>()#]*)*"""


def observe(question: Dict[str, Any]) -> Dict[str, Any]:
    """The lines of the file that do nothing but set the variable."""
    path = str(question["path"])
    return {"lines": _split(atomic.read_text(path, MOST_BYTES) or "", str(question["name"]))[0]}


def unset(step: Dict[str, Any], report: Report) -> None:
    """Remove those lines; the file as it was is kept, and so are its owner and mode."""
    path = str(step["path"])
    with open(path, "rb") as handle:
        data = handle.read()
        info = os.fstat(handle.fileno())
    lines, left = _split(data.decode("utf-8", "surrogateescape"), str(step["name"]))
    if lines:
        report("the file as it was: %s" % backup.keep(path))
        atomic.write(path, left.encode("utf-8", "surrogateescape"), info.st_mode & 0o7777, info.st_uid, info.st_gid)


def _split(text: str, name: str) -> Tuple[List[str], str]:
    """The lines that set `name`, and the text without them."""
    sets = re.compile(r"\s*(?:export\s+)?%s=%s\s*;?\s*(?:#.*)?" % (re.escape(name), WORD))
    rest = re.compile(r"\s*export\s+%s\s*;?\s*(?:#.*)?" % re.escape(name))  # exports what a line before has set
    every = text.splitlines(keepends=True)
    hits = [line for line in every if sets.fullmatch(line.rstrip("\r\n"))]
    gone = [line for line in every if line in hits or (hits and rest.fullmatch(line.rstrip("\r\n")))]
    return [line.strip() for line in hits], "".join(line for line in every if line not in gone)
