"""A deploy of several hosts: each by itself, but for the files that they fetch, which come once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from strixkit.config.host import Host
from strixkit.engine.values import Outcome
from strixkit.fleet.pull import Pull, joined, pull
from strixkit.fleet.run import Report, each

DeployOne = Callable[[Host, bool], Outcome]


def deploy_all(run: Pull, deploy_one: DeployOne, *, at_once: int) -> list[Report]:
    """Deploy each host; where files lack, fetch them together, and go on with those hosts.

    deploy_one: deploys a host; True: it leaves what the box would fetch to us.
    """
    reports = each(run.hosts, lambda host: deploy_one(host, True), at_once=at_once)
    later = [host for host, report in zip(run.hosts, reports, strict=True) if report.outcome.later]
    if not later:
        return reports
    pulled = {item.outcome.host: item for item in pull(_of(run, later))}
    ready = [host for host in later if pulled[host.name].outcome.ok]
    ended = {item.outcome.host: item for item in each(ready, lambda host: deploy_one(host, False), at_once=at_once)}
    return [joined([item, pulled.get(item.outcome.host), ended.get(item.outcome.host)]) for item in reports]


def _of(run: Pull, hosts: Sequence[Host]) -> Pull:
    return Pull(hosts, [*run.hosts, *run.known], run.access, run.emit)
