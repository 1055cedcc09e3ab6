"""GRUB on Debian and Ubuntu: the arguments in grub.cfg, and the drop-in that they come from."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, backup, paths
from strixkit.remote.agent.boot import due
from strixkit.remote.agent.boot.loader import GRUB_CFG, UPDATE_GRUB
from strixkit.remote.agent.boot.tool import run
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report

CFG_BYTES = 4 << 20
MOST_ENTRIES = 64
MOST_CHARACTERS = 4096  # the kernel takes 2048 (COMMAND_LINE_SIZE of x86)
SECTION = re.compile(r"^### (BEGIN|END) /etc/grub\.d/(\S+) ###$")


def entries(text: str) -> List[str]:
    """The arguments of each entry that boots this system's Linux and is none for recovery; equal ones once.

    Only what /etc/grub.d/10_linux* wrote: other systems (os-prober) and hand-written entries are not ours to change.
    """
    has_sections = "### BEGIN /etc/grub.d/" in text
    inside, recovery = not has_sections, False
    found: List[str] = []
    for line in text.splitlines():
        section = SECTION.match(line)
        if section:
            inside = section.group(1) == "BEGIN" and section.group(2).startswith("10_linux")
        words = line.split(None, 2)
        if not words:
            continue
        if words[0] == "menuentry":
            # The id is the same in all languages; the title is not.
            recovery = "-recovery-" in line or "(recovery mode)" in line
        elif inside and not recovery and words[0] in ("linux", "linux16", "linuxefi") and len(words) > 1:
            arguments = words[2] if len(words) > 2 else ""
            found.append(arguments.replace('\\"', '"')[:MOST_CHARACTERS])
    return list(dict.fromkeys(found))[:MOST_ENTRIES]


def observe(machine: Machine, drop_in: str) -> Dict[str, Any]:
    """`entries` of grub.cfg, `due` if it is to be made again, and the `text` of our drop-in.

    obstacle: it cannot be read.
    """
    text = machine.read(GRUB_CFG, CFG_BYTES)
    made = {"entries": entries(text or ""), "due": due.said(machine, due.GRUB_CFG)}
    answer: Dict[str, Any] = dict(made, text=machine.whole(drop_in))
    if text is None:
        answer["obstacle"] = "%s cannot be read (ls -l %s; update-grub makes it anew)" % (GRUB_CFG, GRUB_CFG)
    return answer


def apply(step: Dict[str, Any], report: Report) -> None:
    """Write or remove the drop-in and let GRUB's own tool make grub.cfg of it. Can be run again at any point."""
    path, text = str(step["path"]), step["text"]
    sources = ("/etc/default/grub", GRUB_CFG, *Machine().glob("/etc/default/grub.d/*.cfg"))
    for source in sources:
        if source != path and not backup.kept(source):  # as found at first: what came later is ours
            backup.keep(source)
    due.begin(due.GRUB_CFG)
    report("drop-in")
    if text is None:
        atomic.remove(path)
    else:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        atomic.write(path, str(text).encode(), 0o644)
    report("update-grub")
    _make()
    due.end(due.GRUB_CFG)


def _make() -> None:
    """GRUB's own tool makes it; we put it in place in one rename.

    grub-mkconfig ends with `cat grub.cfg.new > grub.cfg`: lost power or a full /boot at that moment is no menu at all.
    """
    made = paths.RUN + "/grub.cfg"
    run(UPDATE_GRUB, "-o", made)
    with open(made, "rb") as handle:
        atomic.rewrite(GRUB_CFG, handle.read())
    os.unlink(made)
