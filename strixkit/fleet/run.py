"""The same work on many hosts at once; one host's failure is a value and stops nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from strixkit.config.host import Host
from strixkit.engine.values import Outcome
from strixkit.errors import StrixError

AT_ONCE = 16
T = TypeVar("T")


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
        outcome = _value(host, work)
        if isinstance(outcome, Failure):
            return Report(Outcome(host.name, error=outcome.text), outcome.exit_code)
        return Report(outcome, 0 if outcome.ok else 1)

    return _in_threads(hosts, one, at_once)


@dataclass(frozen=True)
class Failure:
    """Why there is no value of a host, and the exit code that it asks for."""

    text: str
    exit_code: int


def ask_each(hosts: Sequence[Host], work: Callable[[Host], T]) -> list[T | Failure]:
    """What `work` returns for each host, in the order of the hosts, for verbs that only ask."""
    return _in_threads(hosts, lambda host: _value(host, work), AT_ONCE)


def exit_code(reports: Sequence[Report]) -> int:
    """The code of all hosts if they agree (0, 2, 75); else 1."""
    return common_code(report.exit_code for report in reports)


def common_code(codes: Iterable[int]) -> int:
    """The code that all agree on; else 1."""
    found = set(codes)
    return found.pop() if len(found) == 1 else 1


def _value(host: Host, work: Callable[[Host], T]) -> T | Failure:
    try:
        return work(host)
    except StrixError as error:
        return Failure(error.text, error.exit_code)
    except Exception as error:  # a bug, but of one host: the values of the others must not be lost with it
        return Failure(f"unexpected {type(error).__name__}: {error}", 1)


def _in_threads(hosts: Sequence[Host], work: Callable[[Host], T], at_once: int) -> list[T]:
    """In threads that end with the program: Ctrl-C must not wait for what a box does."""
    if min(at_once, len(hosts)) <= 1:
        return [work(host) for host in hosts]
    results: dict[int, T] = {}
    failed: list[BaseException] = []
    todo = iter(list(enumerate(hosts)))
    lock = threading.Lock()

    def run() -> None:
        while True:
            with lock:
                number, host = next(todo, (-1, None))
            if host is None:
                return
            try:
                results[number] = work(host)
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(at_once, len(hosts)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return [results[number] for number in range(len(hosts))]
