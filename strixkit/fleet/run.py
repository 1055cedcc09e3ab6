"""The same work on many hosts at once; one host's failure is a value and stops nobody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from strixkit.config.host import Host
from strixkit.engine.values import Outcome
from strixkit.errors import StrixError

AT_ONCE = 16


@dataclass(frozen=True)
class Report:
    """The outcome of one host and the exit code that it asks for."""

    outcome: Outcome
    exit_code: int


def each(hosts: Sequence[Host], work: Callable[[Host], Outcome], *, at_once: int = AT_ONCE) -> list[Report]:
    """Run `work` for each host, begun in the order of the hosts, in at most `at_once` threads; reports in that order.

    When a reboot has lost a host, those that are not begun are left alone.
    """
    lost: list[str] = []

    def one(host: Host) -> Report:
        if lost:
            return Report(Outcome(host.name, error=f"left alone: {lost[0]}"), 1)
        report = attempt(host)
        if report.outcome.lost:
            lost.append(f"{host.name} {report.outcome.lost}")
        return report

    def attempt(host: Host) -> Report:
        try:
            outcome = work(host)
        except StrixError as error:
            return Report(Outcome(host.name, error=error.text), error.exit_code)
        except Exception as error:  # a bug, but of one host: the reports of the others must not be lost with it
            text = f"unexpected {type(error).__name__}: {error}"
            return Report(Outcome(host.name, error=text), 1)
        return Report(outcome, 0 if outcome.ok else 1)

    if min(at_once, len(hosts)) == 1:
        return [one(host) for host in hosts]
    with ThreadPoolExecutor(max_workers=min(at_once, len(hosts))) as pool:
        return list(pool.map(one, hosts))


def exit_code(reports: Sequence[Report]) -> int:
    """The code of all hosts if they agree (0, 2, 75); else 1."""
    codes = {report.exit_code for report in reports}
    return codes.pop() if len(codes) == 1 else 1
