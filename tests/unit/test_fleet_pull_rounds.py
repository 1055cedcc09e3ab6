"""The rounds of a pull: who takes part in which, and one file after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from strixkit.config.catalogue import load_model
from strixkit.config.host import Host
from strixkit.engine.events import ignore
from strixkit.engine.values import Outcome
from strixkit.errors import InputError
from strixkit.fleet import pull
from strixkit.fleet.pull import Files, Parts, Pull
from strixkit.fleet.sessions import Sessions
from strixkit.fleet.swarm import Seen
from strixkit.fleet.verbs import Access
from strixkit.host.context import ModelFile
from strixkit.host.origin import Origin
from strixkit.host.swarm import PIECE, Holding
from strixkit.resources.base import Change

FIRST, SECOND = "a" * 64, "b" * 64
One = Callable[[str, Parts, "str | None"], str]


class House:
    """Boxes of which a test says who wants what.

    has: (box, sha256). arrived: how many pieces a box has of any other file. given: each time that holders were asked.
    """

    def __init__(self, wants: dict[str, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
        self.wants = wants
        self.has: set[tuple[str, str]] = set()
        self.arrived: dict[str, int] = {}
        self.given: list[str] = []
        self.ran: list[tuple[str, str | None, str]] = []
        self.fetch: One = self.arrives
        monkeypatch.setattr(pull, "survey", self._survey)
        monkeypatch.setattr(pull, "give", self._give)
        monkeypatch.setattr(pull, "wanted_files", self._files)
        monkeypatch.setattr(pull, "_one", self._one)

    def pull(self, *names: str) -> dict[str, str]:
        """Pull on these boxes; returns each one's error."""
        known = [_host(name) for name in self.wants]
        run = Pull([host for host in known if host.name in names], known, Access(), ignore)
        return {report.outcome.host: report.outcome.error for report in pull.pull(run)}

    def arrives(self, name: str, parts: Parts, sha256: str | None) -> str:
        """All that is wanted comes."""
        self.has |= {(name, wanted) for wanted in self.wants[name] if sha256 in {None, wanted}}
        return ""

    def _one(self, run: Pull, sessions: Sessions, parts: Parts, sha256: str | None, host: Host) -> Outcome:
        own = parts.get(host.name, {})
        self.ran.append((host.name, sha256, ",".join(part.pieces for part in own.values())))
        lacked = any((host.name, wanted) not in self.has for wanted in self.wants[host.name])
        error = self.fetch(host.name, parts, sha256)
        changes = [Change(resource=f"download:{sha256}", field="presence", found="", wanted="there")] if lacked else []
        return Outcome(host.name, applied=lacked, error=error, changes=changes)

    def _files(self, hosts: Sequence[Host], wanted: Any) -> Files:
        found: Files = {}
        for host in hosts:
            for sha256 in self.wants[host.name]:
                found.setdefault(sha256, (_file(sha256), []))[1].append(host.name)
        return found

    def _survey(self, hosts: Sequence[Host], files: Iterable[ModelFile], sessions: Sessions) -> list[Seen]:
        wanted = [str(file.sha256) for file in files]
        return [Seen(host, ("10.0.0.1",), {key: self._holding(host.name, key) for key in wanted}) for host in hosts]

    def _holding(self, name: str, sha256: str) -> Holding:
        complete = (name, sha256) in self.has
        pieces = range(0 if complete else self.arrived.get(name, 0))
        return Holding(complete, frozenset(pieces), frozenset())

    def _give(self, file: ModelFile, *arguments: Any) -> list[str]:
        self.given.append(str(file.sha256))
        return []


def _host(name: str) -> Host:
    return Host(name=name, address=name, runtime="debian", services={})


def _file(sha256: str) -> ModelFile:
    model = load_model("tiny")
    base = ModelFile(
        "tiny", "f32", model, model.variant(), "/m", None, 100 * PIECE, None, Origin("http://o", False, "o")
    )
    return replace(base, path=f"/{sha256[:2]}", sha256=sha256)


def test_a_box_that_can_take_no_part_keeps_the_file_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House({"b1": (FIRST,), "b2": (FIRST,)}, monkeypatch)

    def fetch(name: str, parts: Parts, sha256: str | None) -> str:
        if name == "b2":
            raise InputError("its runtime cannot load this model", host=name)
        # With a part of it, this box waits for the other one's in vain.
        return "b2 cannot be reached" if name in parts else house.arrives(name, parts, sha256)

    house.fetch = fetch
    found = house.pull("b1", "b2")
    assert found["b1"] == ""
    assert "cannot load" in found["b2"]
    assert [name for name, _, _ in house.ran] == ["b1", "b2", "b1"]


def test_what_failed_with_the_same_boxes_and_sources_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House({"b1": (FIRST,), "b2": (FIRST,)}, monkeypatch)
    house.fetch = lambda name, parts, sha256: "no room"
    assert house.pull("b1", "b2") == {"b1": "no room", "b2": "no room"}
    assert len(house.ran) == 2


def test_who_gets_nothing_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House({"b1": (FIRST,), "b2": (FIRST,)}, monkeypatch)

    def fetch(name: str, parts: Parts, sha256: str | None) -> str:
        if name == "b2":
            return "no room"  # after its first stage, so that a job has run there
        if name in parts:
            house.arrived[name] = 52
            return "b2 failed: no room"
        return house.arrives(name, parts, sha256)

    house.fetch = fetch
    assert house.pull("b1", "b2") == {"b1": "", "b2": "no room"}
    assert [name for name, _, _ in house.ran].count("b2") == 1


def test_what_a_box_has_that_can_take_no_part_now_does_not_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House({"b1": (FIRST,), "b2": (FIRST,)}, monkeypatch)
    house.arrived["b2"] = 48

    def fetch(name: str, parts: Parts, sha256: str | None) -> str:
        if name == "b2":
            raise InputError("another job runs there", host=name)
        house.arrived[name] = 52
        return "b2 cannot be reached"

    house.fetch = fetch
    assert house.pull("b1", "b2")["b1"] == "b2 cannot be reached"
    assert len(house.ran) == 2


def test_each_file_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    # b1 is at the first file for long: b2 would wait in vain for its part of the second one.
    house = House({"b1": (FIRST, SECOND), "b2": (SECOND,), "b3": (SECOND,)}, monkeypatch)
    house.has = {("b3", SECOND)}
    assert house.pull("b1", "b2") == {"b1": "", "b2": ""}
    assert [(name, sha256) for name, sha256, _ in house.ran[:1]] == [("b1", FIRST)]
    assert {(name, sha256) for name, sha256, _ in house.ran[1:3]} == {("b1", SECOND), ("b2", SECOND)}
    assert {(name, sha256) for name, sha256, _ in house.ran[3:]} == {("b1", None), ("b2", None)}
    assert house.given == [SECOND]


def test_who_fails_at_a_file_has_no_turn_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House({"b1": (FIRST, SECOND), "b2": (SECOND,)}, monkeypatch)
    house.fetch = lambda name, parts, sha256: "no room" if sha256 == FIRST else house.arrives(name, parts, sha256)
    assert house.pull("b1", "b2") == {"b1": "no room", "b2": ""}
    assert ("b1", SECOND) not in {(name, sha256) for name, sha256, _ in house.ran}


def test_all_boxes_fetch_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"b{number}" for number in range(20)]
    house = House(dict.fromkeys(names, (FIRST,)), monkeypatch)
    together = threading.Barrier(len(names), timeout=20)

    def fetch(name: str, parts: Parts, sha256: str | None) -> str:
        together.wait()
        return house.arrives(name, parts, sha256)

    house.fetch = fetch
    assert set(house.pull(*names).values()) == {""}
