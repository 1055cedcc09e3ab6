"""Fedora's GRUB: its entries have their own arguments, which grubby changes; grub.cfg and /etc/default/grub do not.

Written after grubby's manual; no Fedora has run it yet. What it did is seen by the observation that follows.
"""

from __future__ import annotations

from typing import Any, Dict, List

from strixkit.remote.agent.boot import cmdline_file
from strixkit.remote.agent.boot.loader import GRUBBY
from strixkit.remote.agent.boot.record import Record, to_set, wanted_of
from strixkit.remote.agent.boot.tool import run
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report
from strixkit.resources.command_line import plain, words


def arguments(text: str) -> List[str]:
    """The `args=` of each Linux entry in the output of `grubby --info=ALL`."""
    found: List[str] = []
    for line in text.splitlines():
        if line.startswith("kernel="):
            found.append("")
        elif line.startswith("args=") and found:
            value = line[len("args=") :].strip()
            found[-1] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return found


def observe(machine: Machine) -> Dict[str, Any]:
    """`entries`: of each kernel, and of /etc/kernel/cmdline, from which the next kernel's will be made."""
    said = machine.run(GRUBBY, "--info=ALL", seconds=60)
    answer: Dict[str, Any] = {"entries": [], "ours": Record().set}
    if said is None or said[0] != 0:
        return dict(answer, obstacle="grubby --info=ALL fails: run it on the box to see why")
    future = cmdline_file.line(machine)
    return dict(answer, entries=[*arguments(said[1]), *([] if future is None else [future])])


def apply(step: Dict[str, Any], report: Report) -> None:
    """Change all entries in one call, then what later kernels get. Can be run again at any point."""
    wanted, machine, record = wanted_of(step), Machine(), Record()
    said = machine.run(GRUBBY, "--info=ALL", seconds=60)
    if said is None or said[0] != 0:
        raise RuntimeError("grubby --info=ALL fails: run it on the box to see why")
    found = arguments(said[1])
    record.begin(found[0] if found else "", wanted)
    report("recorded")
    back = record.given_back(wanted)
    names = {plain(name) for name in (*wanted, *back)}
    spelled = {word.partition("=")[0] for line in found for word in words(line)}  # `-` and `_` are the same to Linux
    gone = sorted(name for name in spelled if plain(name) in names)
    new = [*(word for given in back.values() for word in given), *to_set(wanted)]
    changes = [
        *(["--remove-args=" + " ".join(gone)] if gone else []),
        *(["--args=" + " ".join(new)] if new else []),
    ]
    if changes:
        run(GRUBBY, "--update-kernel=ALL", *changes)
    report("entries")
    future = cmdline_file.line(machine)
    if future is not None and record.edited(future, wanted) != future:
        cmdline_file.write(record.edited(future, wanted))
    record.end(wanted)
