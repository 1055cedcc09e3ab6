"""Options in /etc/modprobe.d that say something else about a module than the kernel's command line."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List, Tuple

from strixkit.remote.agent import atomic, backup
from strixkit.remote.agent.boot import due, initramfs
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.report import Report
from strixkit.resources.command_line import plain, split, words

FILES = "/etc/modprobe.d/*.conf"
MOST = 64


def options(machine: Machine, names: Iterable[str]) -> List[Dict[str, str]]:
    """`path`, `name` (module.parameter) and `value` of each option of these names."""
    wanted = set(names)
    found = []
    for path in machine.glob(FILES):
        for line in _logical(machine.whole(path) or ""):
            for name, value, _ in _parameters(line):
                if name in wanted:
                    found.append({"path": path, "name": name, "value": value})
    return found[:MOST]


def without(text: str, names: Iterable[str]) -> str:
    """The file's text without these options; a line that says nothing else is gone."""
    wanted = set(names)
    kept = []
    for line in _logical(text):
        parameters = list(_parameters(line))
        if not any(name in wanted for name, _, _ in parameters):
            kept.append(line)
            continue
        rest = [word for name, _, word in parameters if name not in wanted]
        if rest:
            module = words(_joined(line))[1]
            kept.append(" ".join(["options", module, *rest]) + "\n")
    return "".join(kept)


def apply(step: Dict[str, Any], report: Report) -> None:
    """Take the options away, file by file; the files of before are kept. Can be run again at any point."""
    machine, names = Machine(), [str(name) for name in step["names"]]
    if initramfs.tool(machine) is not None:
        due.begin(due.INITRAMFS)
    for path in sorted({option["path"] for option in options(machine, names)}):
        report(path)
        backup.keep(path)
        with open(path, "rb") as handle:
            text = handle.read().decode("utf-8", "surrogateescape")
        atomic.rewrite(path, without(text, names).encode("utf-8", "surrogateescape"))


def _logical(text: str) -> Iterator[str]:
    """Lines, with those that a backslash continues in one."""
    whole = ""
    for line in text.splitlines(keepends=True):
        whole += line
        if not line.rstrip("\r\n").endswith("\\"):
            yield whole
            whole = ""
    if whole:
        yield whole


def _joined(line: str) -> str:
    return line.replace("\\\n", " ").replace("\\\r\n", " ")


def _parameters(line: str) -> Iterator[Tuple[str, str, str]]:
    """Name, value and the word itself of each parameter that an `options` line sets."""
    found = words(_joined(line))
    if len(found) > 2 and found[0] == "options":
        for word in found[2:]:
            name, value = split(word)
            yield plain(found[1]) + "." + name, value, word
