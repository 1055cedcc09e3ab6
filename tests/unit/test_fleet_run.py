"""One host's failure, expected or not, leaves the others' reports alone."""

from __future__ import annotations

from strixkit.config.host import Host
from strixkit.engine.values import Outcome
from strixkit.errors import LockedError
from strixkit.fleet.run import each


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
