"""Deploys one after the other on captured boxes: what is in service, how its memory has grown, what is planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strixkit.config.host import Host, Service
from strixkit.engine.values import Desired
from strixkit.errors import RemoteError
from strixkit.host import describe
from strixkit.host.describe import Description
from strixkit.planner.profile import Profile
from strixkit.resources.file import File
from strixkit.resources.release import Release

FACTS = Path(__file__).parents[2] / "data/facts"
MODEL = "qwen3.6-27b-mtp"
MIB = 1 << 20
PORTS = {"main": 8080, "second": 8081}


class Box:
    """A host of which only facts are known, with releases in service that hold what is said of them.

    seen: the driver tells the device memory of a process; else only MemAvailable and GTT used show it.
    """

    def __init__(self, size: int, *names: str, seen: bool = True) -> None:
        self.facts = json.loads((FACTS / f"framework-{size}gb.json").read_text())["facts"]
        self.seen = seen
        self.profiles = dict.fromkeys(names, "coding")
        self.manifests: dict[str, dict[str, Any]] = {}
        self.held: dict[str, tuple[float, float]] = {}

    def describe(self, *, replan: bool = False) -> Desired:
        services = {
            name: Service(profile=profile, model=MODEL, port=PORTS[name]) for name, profile in self.profiles.items()
        }
        host = Host(name="strix", address="strix", runtime="rocmfp4", services=services)
        return Description(host, preview=True, replan=replan).desired(self._answer())

    def deploy(self, *, replan: bool = False) -> dict[str, str]:
        """Put what is planned into service; returns the releases."""
        desired = self.describe(replan=replan)
        for item in desired.resources:
            if isinstance(item, Release):
                self.manifests[item.service] = {**item.manifest, "wishes": item.wishes}
                self.grow(item.service, 0.0)
            if isinstance(item, File) and item.path.endswith("/wishes"):
                self.manifests[item.path.split("/")[5]]["wishes"] = (item.content or "").strip()
        return {name: manifest["release"] for name, manifest in self.manifests.items()}

    def grow(self, service: str, share: float) -> None:
        """From its start (0) towards its worst (1)."""
        sizes = self.manifests[service]["memory"]
        start, worst = ((sizes[f"device_{when}_mib"], sizes[f"host_{when}_mib"]) for when in ("start", "worst"))
        self.held[service] = (
            start[0] + share * (worst[0] - start[0]),
            start[1] + share * (worst[1] - start[1]),
        )

    def options(self, service: str) -> dict[str, Any]:
        return dict(self.manifests[service]["options"])

    def _answer(self) -> dict[str, Any]:
        facts = json.loads(json.dumps(self.facts))
        device, host = (sum(sizes) for sizes in zip((0.0, 0.0), *self.held.values(), strict=True))
        facts["memory"]["available_bytes"] -= int((device + host) * MIB)
        facts["gpu"]["gtt_used_bytes"] += int(device * MIB)
        services = {
            name: {
                "running": name in self.held,
                "device_bytes": int(self.held[name][0] * MIB) if name in self.held and self.seen else 0,
                "host_bytes": int(self.held[name][1] * MIB) if name in self.held else 0,
                **{key: manifest[key] for key in ("release", "memory", "choice", "wishes")},
            }
            for name, manifest in self.manifests.items()
        }
        return {"uid": 0, "facts": facts, "services": services}


def worst(box: Box) -> float:
    return sum(
        manifest["memory"]["device_worst_mib"] + manifest["memory"]["host_worst_mib"]
        for manifest in box.manifests.values()
    )


def usable(box: Box) -> float:
    """MiB when none of its services runs, without the profiles' reserve."""
    return float(box.facts["memory"]["available_bytes"] / MIB - 4096)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_second_deploy_is_the_same_however_full_the_context(size: int, seen: bool, share: float) -> None:
    box = Box(size, "main", seen=seen)
    first = box.deploy()
    box.grow("main", share)
    assert box.deploy() == first
    if seen:
        assert box.deploy(replan=True) == first
        assert box.describe().notes == Box(size, "main").describe().notes


def test_growth_that_nobody_can_measure_is_told() -> None:
    box = Box(64, "main", seen=False)
    box.deploy()
    box.grow("main", 1.0)
    note = next(note for note in box.describe().notes if "fresh" in note)
    assert note.startswith("service main: the choice that is kept needs ")
    assert note.endswith("invoke deploy --host strix --replan")


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_two_services_stay_as_they_are(seen: bool) -> None:
    """A running neighbour's growth is promised to it, so that the other can never be planned into it."""
    box = Box(128, "main", "second", seen=seen)
    first = box.deploy()
    assert worst(box) <= usable(box)
    for main, second in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        box.grow("main", main)
        box.grow("second", second)
        assert box.deploy() == first
        if seen:
            assert box.deploy(replan=True) == first


def test_a_service_behind_gets_what_is_left_and_the_one_before_is_left_alone() -> None:
    box = Box(128, "main")
    first = box.deploy()
    box.grow("main", 0.7)
    box.profiles["second"] = "general"
    desired = box.describe()
    [recorded] = [item for item in desired.resources if isinstance(item, File) and item.path.endswith("/wishes")]
    assert recorded.path == f"/var/lib/strixkit/services/main/releases/{first['main']}/wishes"
    assert box.deploy()["main"] == first["main"]
    assert worst(box) <= usable(box)
    # Recorded, so that the next deploy finds nothing to do and keeps the choice.
    again = box.describe()
    assert not [item for item in again.resources if isinstance(item, File) and item.path.endswith("/wishes")]
    for state in again.shown["services"]:
        reasons = {reason.option: reason.reason for reason in state.plan.reasons}
        assert all(reasons[option].startswith("kept: ") for option in ("context.size", "kv.k", "cache.checkpoints"))


def test_a_service_before_a_running_one_does_not_take_its_memory() -> None:
    box = Box(128, "second")
    first = box.deploy()
    box.grow("second", 0.3)
    box.profiles = {"main": "general", "second": "coding"}
    assert box.deploy()["second"] == first["second"]
    assert box.options("second")["cache.checkpoints"] == 32
    assert box.options("main")["cache.checkpoints"] == 8
    assert worst(box) <= usable(box)


def test_memory_that_something_else_takes_restarts_nothing() -> None:
    box = Box(64, "main")
    first = box.deploy()
    box.facts["memory"]["available_bytes"] -= 25 << 30
    assert box.deploy() == first
    [note] = [note for note in box.describe().notes if "kept" in note]
    assert "a fresh plan would choose context 98304" in note
    assert box.deploy(replan=True) != first
    assert box.options("main")["context.size"] == 98304
    # What was chosen by --replan is kept as well when the memory is free again.
    second = box.deploy()
    box.facts["memory"]["available_bytes"] += 25 << 30
    assert box.deploy() == second
    assert any("a fresh plan would choose context 147456" in note for note in box.describe().notes)


def test_more_memory_is_planned_anew() -> None:
    box = Box(64, "main")
    box.deploy()
    box.facts["gpu"]["gtt_total_bytes"] = 56 << 30
    box.deploy()
    assert box.options("main")["context.size"] == 262144


def test_a_sampler_setting_changes_the_release_and_not_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(64, "main")
    first = box.deploy()
    box.facts["memory"]["available_bytes"] -= 25 << 30
    loaded = describe.load_profile

    def warmer(name: str) -> Profile:
        profile = loaded(name)
        return profile.model_copy(update={"sampling": profile.sampling.model_copy(update={"temperature": 1.0})})

    monkeypatch.setattr(describe, "load_profile", warmer)
    assert box.deploy() != first
    assert box.options("main")["context.size"] == 147456


def test_what_is_pinned_against_the_evidence_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(128, "main")
    loaded = describe.load_profile

    def quantised(name: str) -> Profile:
        profile = loaded(name)
        parts = {"device": {"name": "ROCm0"}, "kv": {"types": ("q8_0",)}}
        return profile.model_copy(
            update={part: getattr(profile, part).model_copy(update=values) for part, values in parts.items()}
        )

    monkeypatch.setattr(describe, "load_profile", quantised)
    assert any(
        note.startswith("service main: the profile names nothing better than q8_0 KV, but the fork's HIP build copies")
        for note in box.describe().notes
    )


@pytest.mark.parametrize(
    "said",
    [
        {"memory": {"device_start_mib": -1}},
        {"memory": {"host_worst_mib": 1e300}},
        {"memory": []},
        {"host_bytes": "much"},
        {"device_bytes": 1 << 60},
        {"wishes": 3},
    ],
)
def test_nonsense_of_a_box_is_refused(said: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(64, "main")
    box.deploy()
    answer = box._answer()
    answer["services"]["main"].update(said)
    monkeypatch.setattr(box, "_answer", lambda: answer)
    with pytest.raises(RemoteError, match="makes no sense"):
        box.describe()


def test_a_choice_that_makes_no_sense_is_not_kept() -> None:
    box = Box(64, "main")
    first = box.deploy()
    choice = box.manifests["main"]["choice"]
    # The last would be planned for ever, batch by batch.
    endless = {**choice, "context": 1 << 60, "batch": 1, "micro": 1}
    for odd in ({}, {"kv": "q9", "context": 1}, {**choice, "context": -1}, {**choice, "checkpoints": 31}, endless):
        box.manifests["main"]["choice"] = odd
        assert not any("kept" in r.reason for r in box.describe().shown["services"][0].plan.reasons)
        assert box.deploy() == first
