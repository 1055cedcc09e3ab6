"""Pure: the page as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from strixkit.changes.rows import Row, Variant, merged, names, only_on, rows_of
from strixkit.resources.base import Resource, Risk

Wishes = Mapping[Variant, Mapping[str, Sequence[Resource]]]

INTERRUPTS = {
    Risk.NONE: "",
    Risk.RELOAD: " Makes systemd read its units again.",
    Risk.RESTART: " Restarts the service.",
    Risk.REBOOT: " Takes effect with the next boot; `invoke deploy --reboot` reboots.",
}

OPENING = (
    "Made by `python -m strixkit.changes` from what the roles wish; do not edit it by hand.",
    "`invoke deploy` changes what is listed here and nothing else, and `invoke plan` shows it for your own box before. "
    "The page is for the hosts {hosts} of the example inventory, as new installations of {systems}.",
    "Never touched: the BIOS and its carve-out, disks and file systems, network, firewall, sshd and its keys, home "
    "folders, and services that are not listed. Nothing is installed but the packages listed. A box is rebooted only "
    "with `--reboot`.",
    "`strix_provision: false` in the inventory leaves the box's own set-up alone: of the roles below, {provisioning} "
    "are left out then.",
    "`/var/lib/strixkit/journal.jsonl` has lines for each deploy: who, when, what (`invoke journal --host HOST` prints "
    "them). Where strixkit changes or removes a file that is not its own, the file is first copied to "
    "`/var/lib/strixkit/backup/PATH.1`, with its owner and mode (`.2` when its content is another one the next time).",
    "Some things are shown and taken out only on a box that is not new: another guide's kernel arguments, files of "
    "AMDVLK, and lines in `/etc/environment`, `/etc/environment.d` and `/etc/profile.d` that set a variable of the GPU "
    "to what cannot be right for it. Packages that go take along what needs them, and `invoke plan` names it.",
    "To undo all of it, go from the last line to the first. Each *undo* is a line for root's shell, or words in "
    "brackets where there is none; a line for what your box never had fails, and that is no harm. `rmdir` leaves a "
    "folder that still holds something: `/var/lib/strixkit` holds the journal, the backups and, in `models`, model "
    "files that may be yours. When you have moved away what you want to keep, last of all, "
    "`rm -r /var/lib/strixkit /var/cache/strixkit` removes it with what dry runs have compiled. `apt-get remove` also "
    "takes what was installed before strixkit came: it names the packages and asks. Packages of AMD's that were taken "
    "out come back only while their repository is set up.",
)
WIDTH = 120


def page(wishes: Wishes, provisioning: Sequence[str], about: Mapping[str, str]) -> str:
    """The whole page.

    wishes: what each role wishes of each variant, in order. provisioning: roles that can be left out together.
    about: role -> one sentence of it.
    """
    every = list(wishes)
    hosts, systems = names(every)
    words = {
        "hosts": _listed(hosts),
        "systems": _listed(systems),
        "provisioning": _listed([_code(name) for name in provisioning]),
    }
    lines = ["# What is changed on your box, and how to undo it"]
    for paragraph in OPENING:
        lines += ["", _wrapped(paragraph.format(**words))]
    for role in dict.fromkeys(name for wished in wishes.values() for name in wished):
        rows = {v: [row for item in wished.get(role, ()) for row in rows_of(item)] for v, wished in wishes.items()}
        lines += ["", f"## {role}", "", about[role]]
        if any(rows.values()):
            lines += ["", *_items(merged(rows), every)]
    return "\n".join(lines) + "\n"


def _items(rows: Mapping[Row, Sequence[Variant]], every: Sequence[Variant]) -> Iterator[str]:
    """A line for each row; rows behind each other that one line takes back have it once."""
    for (kind, undo), together in groupby(rows, key=lambda row: (row.kind, row.undo)):
        found = list(together)
        yield from (_item(row, only_on(rows[row], every)) for row in found)
        words = "*Undo*" if len(found) == 1 else f"*Undo* of these {kind}"
        yield f"  {words}: {undo if undo.startswith('(') else _code(undo)}"


def _item(row: Row, only: str) -> str:
    where = f" (only {only})" if only else ""
    return _wrapped(f"- {row.kind} {_code(row.name)}{where}: {row.why.rstrip('.')}.{INTERRUPTS[row.risk]}", "  ")


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _code(text: str) -> str:
    """A code span, whatever is in it."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
