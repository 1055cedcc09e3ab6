"""`--cancel` of verbs whose work goes on on the box: `build`, `pull`, `quantize`, `evaluate`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from strixkit.config.host import Host
from strixkit.errors import RemoteError
from strixkit.fleet.run import Failure, ask_each
from strixkit.fleet.verbs import Access, open_host, who

UNIT = re.compile(r"strixkit-(?:build|fetch|make|evaluate)-(.*)\.service")


@dataclass(frozen=True)
class Cancelled:
    """What became of the work on a host; ended: names of what was at work, e.g. the ids of builds."""

    host: str
    ended: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0


def cancel_each(hosts: Sequence[Host], access: Access, verb: str) -> list[Cancelled]:
    """End the work of a verb on hosts; what it has done so far is kept for the next run."""

    def one(host: Host) -> tuple[str, ...]:
        with closing(open_host(host, access)) as session:
            if verb == "build":
                answer = session.request("cancel", who=who())
            else:
                answer = session.request("cancel_work", verb=verb)
        return _ended(host.name, answer)

    found = zip(hosts, ask_each(hosts, one), strict=True)
    return [
        Cancelled(host.name, error=item.text, exit_code=item.exit_code)
        if isinstance(item, Failure)
        else Cancelled(host.name, item)
        for host, item in found
    ]


def _ended(host: str, answer: Any) -> tuple[str, ...]:
    try:
        names = [UNIT.fullmatch(str(name)) for name in answer["units"]]
        ended = tuple(name[1] for name in names if name)
        return ended or (("its job",) if answer["job"] else ())
    except (KeyError, TypeError) as error:
        raise RemoteError(f"the answer makes no sense: {answer!r:.200}", host=host) from error
