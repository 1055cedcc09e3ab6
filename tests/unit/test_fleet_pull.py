"""Files of several hosts: who takes what from where, and a deploy that fetches them together."""

from __future__ import annotations

from typing import Any

import pytest

from strixkit.config.catalogue import load_model
from strixkit.config.host import Host
from strixkit.engine.events import ignore
from strixkit.engine.values import Outcome
from strixkit.errors import RemoteError
from strixkit.fleet import deploy
from strixkit.fleet.pull import Pull
from strixkit.fleet.run import Report
from strixkit.fleet.swarm import Seen, plan_sources, seen
from strixkit.fleet.verbs import Access
from strixkit.host.context import ModelFile
from strixkit.host.origin import Origin
from strixkit.host.swarm import PIECE, Holding
from strixkit.resources.base import Change

SHA = "a" * 64
COUNT = 100
WANTED = [{"sha256": SHA, "size": COUNT * PIECE, "path": "/m"}]


def _host(name: str) -> Host:
    return Host(name=name, address=name, runtime="debian", services={})


def _file() -> ModelFile:
    model = load_model("tiny")
    entry = model.variant()
    return ModelFile("tiny", "f32", model, entry, "/m", SHA, COUNT * PIECE, None, Origin("http://o/m", False, "o/m"))


def _seen(name: str, *, complete: bool = False, pieces: frozenset[int] = frozenset()) -> Seen:
    return Seen(_host(name), (f"10.0.0.{name[-1]}",), {SHA: Holding(complete, pieces, frozenset())})


def test_a_box_that_has_it_gives_it_and_nothing_comes_from_the_origin() -> None:
    found = plan_sources(_file(), [_seen("b1"), _seen("b2", complete=True), _seen("b3")], ["b1", "b2"])
    assert list(found) == ["b1"]
    assert found["b1"].words("o/m") == "from b2, which has it"
    part = found["b1"].part
    assert part is not None
    assert (part.pieces, [peer.name for peer in part.peers]) == ("", ["b2"])


def test_a_box_alone_fetches_all_of_it() -> None:
    found = plan_sources(_file(), [_seen("b1"), _seen("b2")], ["b1"])
    assert found["b1"].part is None
    assert found["b1"].words("o/m") == "from o/m"


def test_boxes_that_want_it_share_it() -> None:
    found = plan_sources(_file(), [_seen("b1"), _seen("b2")], ["b1", "b2"])
    assert found["b1"].words("o/m") == "52 % from o/m, the rest from b2, so that it comes once"
    first, second = found["b1"].part, found["b2"].part
    assert first is not None
    assert second is not None
    assert first.secret == second.secret
    assert [peer.name for peer in first.peers] == ["b2"]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"addresses": ["not an address"], "files": []},
        {"addresses": [], "files": []},
        {
            "addresses": [],
            "files": [{"sha256": SHA, "complete": False, "pieces": "0-", "assigned": "", "running": False}],
        },
        "nonsense",
    ],
)
def test_what_makes_no_sense_is_the_boxs_fault(answer: Any) -> None:
    with pytest.raises(RemoteError):
        seen(_host("b1"), answer, WANTED)


def test_only_true_is_true() -> None:
    files = [{"sha256": SHA, "complete": "yes", "pieces": "0-3", "assigned": "", "running": 1}]
    holding = seen(_host("b1"), {"addresses": ["10.0.0.1", "fe80::1"], "files": files}, WANTED).files[SHA]
    assert (holding.complete, holding.running, holding.pieces) == (False, False, {0, 1, 2, 3})


def _change(name: str) -> Change:
    return Change(resource=name, field="presence", found="absent", wanted="there")


def test_a_deploy_fetches_together_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[list[str]] = []

    def pull(run: Pull) -> list[Report]:
        pulled.append([host.name for host in run.hosts])
        reports = []
        for host in run.hosts:
            error = "no room" if host.name == "b3" else ""
            changes = [] if error else [_change("download:/m")]
            reports.append(Report(Outcome(host.name, changes=changes, error=error, round_trips=3), 1 if error else 0))
        return reports

    monkeypatch.setattr(deploy, "pull", pull)
    ran: list[tuple[str, bool]] = []

    def one(host: Host, pull_later: bool) -> Outcome:
        ran.append((host.name, pull_later))
        if host.name == "b1" or not pull_later:
            return Outcome(host.name, changes=[_change("release:main")], applied=True, round_trips=2)
        return Outcome(host.name, changes=[_change("user:x")], applied=True, later=("/m",), round_trips=2)

    hosts = [_host(name) for name in ("b1", "b2", "b3")]
    reports = deploy.deploy_all(Pull(hosts, hosts, Access(), ignore), one, at_once=1)
    assert pulled == [["b2", "b3"]]
    assert ran == [("b1", True), ("b2", True), ("b3", True), ("b2", False)]
    first, second, third = (report.outcome for report in reports)
    assert [change.resource for change in first.changes] == ["release:main"]
    assert [change.resource for change in second.changes] == ["user:x", "download:/m", "release:main"]
    assert (second.round_trips, second.ok) == (7, True)
    assert (third.error, [report.exit_code for report in reports]) == ("no room", [0, 0, 1])


def test_a_deploy_that_lacks_nothing_asks_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(run: Pull) -> list[Report]:
        raise AssertionError("nobody lacks a file")

    monkeypatch.setattr(deploy, "pull", pull)
    hosts = [_host("b1")]
    [report] = deploy.deploy_all(
        Pull(hosts, hosts, Access(), ignore), lambda host, later: Outcome(host.name), at_once=1
    )
    assert report.exit_code == 0
