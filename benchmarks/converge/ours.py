"""The desired state with this project; run as `python -m benchmarks.converge.ours CLIENT NAME=ADDRESS...`."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.converge import state
from strixkit.config.host import Host, Service
from strixkit.engine.converge import converge
from strixkit.engine.events import ignore
from strixkit.engine.values import Desired, Job, Outcome
from strixkit.fleet import verbs
from strixkit.fleet.run import each, exit_code
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.file import File
from strixkit.resources.packages import Packages
from strixkit.resources.unit import Unit
from strixkit.resources.user import Group, User


class Description:
    """Wishes that need no facts."""

    def facts_request(self) -> dict[str, Any]:
        return {}

    def desired(self, answer: dict[str, Any]) -> Desired:
        wishes: list[Resource] = [Group(name=state.GROUP), User(name=state.USER, groups=(state.GROUP,))]
        wishes += [Directory(path=path) for path in (state.ROOT, *state.FOLDERS)]
        wishes += [File(path=path, content=text) for path, text in state.FILES.items()]
        wishes += [Packages(label=name, names=(name,)) for name in state.PACKAGES]
        wishes.append(Unit(name=state.UNIT, content=state.UNIT_TEXT))
        return Desired(tuple(wishes))


def main() -> int:
    client, *pairs = sys.argv[1:]
    service = {"main": Service(profile="coding", model="tiny")}
    hosts = [
        Host(
            name=name,
            address=address,
            user="root",
            identity_file=f"{client}/id_ed25519",
            known_hosts=f"{client}/known_hosts",
            runtime="debian",
            services=service,
        )
        for name, address in (pair.split("=") for pair in pairs)
    ]

    def work(host: Host) -> Outcome:
        session = verbs.open_host(host, verbs.Access())
        try:
            return converge(session, Description(), Job(verbs.who(), "benchmark"), ignore)
        finally:
            session.close()

    reports = each(hosts, work)
    for report in reports:
        print(report.outcome.host, len(report.outcome.changes), report.outcome.round_trips, report.outcome.error)
    return exit_code(reports)


if __name__ == "__main__":
    sys.exit(main())
