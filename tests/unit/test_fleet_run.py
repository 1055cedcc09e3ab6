"""One host's failure, expected or not, leaves the others' reports alone."""

from __future__ import annotations

import subprocess
import sys
import threading

from strixkit.config.host import Host
from strixkit.engine.values import Outcome
from strixkit.errors import LockedError
from strixkit.fleet.run import each, exit_code


def _host(name: str) -> Host:
    return Host(name=name, address=name, runtime="debian", services={})


def test_a_bug_in_one_host_is_its_report() -> None:
    def work(host: Host) -> Outcome:
        if host.name == "bad":
            raise KeyError("x")
        if host.name == "locked":
            raise LockedError("locked", host=host.name)
        return Outcome(host.name)

    good, bad, locked = each([_host(name) for name in ("good", "bad", "locked")], work)
    assert (good.exit_code, bad.exit_code, locked.exit_code) == (0, 1, 75)
    assert bad.outcome.host == "bad"
    assert bad.outcome.error == "unexpected KeyError: 'x'"


def test_a_host_that_a_reboot_has_lost_leaves_those_that_are_not_begun_alone() -> None:
    begun: list[str] = []

    def work(host: Host) -> Outcome:
        begun.append(host.name)
        if host.name == "second":
            return Outcome(host.name, error="it did not come back within 10 min", lost="did not come back")
        return Outcome(host.name)

    reports = each([_host(name) for name in ("first", "second", "third", "fourth")], work, at_once=1)
    assert begun == ["first", "second"]
    assert [report.exit_code for report in reports] == [0, 1, 1, 1]
    assert exit_code(reports) == 1
    assert reports[3].outcome.error == "left alone: second did not come back"


def test_another_failure_stops_nobody_one_at_a_time() -> None:
    def work(host: Host) -> Outcome:
        return Outcome(host.name, error="the gate" if host.name == "first" else "")

    assert [report.exit_code for report in each([_host("first"), _host("second")], work, at_once=1)] == [1, 0]


def test_not_more_at_once_than_allowed() -> None:
    together, most, lock = 0, 0, threading.Lock()
    pair = threading.Barrier(2, timeout=10)

    def work(host: Host) -> Outcome:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        pair.wait()
        with lock:
            together -= 1
        return Outcome(host.name)

    assert all(report.outcome.ok for report in each([_host(name) for name in "abcdef"], work, at_once=2))
    assert most == 2


def test_an_interruption_does_not_wait_for_what_boxes_do() -> None:
    """Threads of the program that still work must not keep it: a fetch of hours goes on on its box."""
    script = (
        "import os, signal, threading, time\n"
        "from strixkit.config.host import Host\n"
        "from strixkit.fleet.run import ask_each\n"
        "hosts = [Host(name=n, address=n, runtime='debian', services={}) for n in ('a', 'b')]\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "ask_each(hosts, lambda host: time.sleep(600))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert "KeyboardInterrupt" in done.stderr
