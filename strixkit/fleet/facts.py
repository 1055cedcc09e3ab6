"""`invoke facts`: what boxes say of themselves. One connection and one question for each; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from strixkit.config.host import Host
from strixkit.fleet.run import Failure, ask_each
from strixkit.fleet.verbs import Access, open_host
from strixkit.host.facts_answer import facts_in
from strixkit.host.facts_file import save_facts, targets
from strixkit.planner.facts import Facts


@dataclass(frozen=True)
class Known:
    """What is known of one host, or why nothing is. saved: the file that has it now."""

    host: str
    facts: Facts | None
    error: str = ""
    exit_code: int = 0
    saved: Path | None = None


def known(hosts: Sequence[Host], access: Access, *, save: str = "") -> list[Known]:
    """Ask all hosts; save: a file, or a folder that gets HOST.json of each.

    Raises InputError, before any box is asked, for a place where nothing can be saved.
    """
    files = targets(save, [host.name for host in hosts]) if save else {}

    def one(host: Host) -> Known:
        facts = _ask(host, access)
        path = files.get(host.name)
        if path is not None:
            save_facts(path, f"{host.name} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, by invoke facts", facts)
        return Known(host.name, facts, saved=path)

    answers = zip(hosts, ask_each(hosts, one), strict=True)
    return [
        Known(host.name, None, answer.text, answer.exit_code) if isinstance(answer, Failure) else answer
        for host, answer in answers
    ]


def _ask(host: Host, access: Access) -> Facts:
    with closing(open_host(host, access)) as session:
        return facts_in(session.request("facts"), host.name)
