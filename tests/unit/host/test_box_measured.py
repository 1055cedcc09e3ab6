"""What a box's gates have measured: it serves the plans of the same circumstances, and restarts nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_deploys import MODEL, PORTS, Box

from strixkit.config.host import Host, Service
from strixkit.engine.values import Desired
from strixkit.host.context import ServiceState
from strixkit.host.describe import Description
from strixkit.planner.parts import Part
from strixkit.resources.release import Release, directives

HELP = (Path(__file__).parents[2] / "data/help/llama.cpp-0.7.0.txt").read_text()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


class Measuring(Box):
    """A host whose runtime is there, and whose gates have found compute buffers of `factor` times the planned size."""

    def __init__(self, size: int, *names: str, factor: float = 2.0) -> None:
        super().__init__(size, *names)
        self.factor = factor
        self.identity = "a binary"
        self.environment: dict[str, str] = {}
        self.odd: list[Any] = []

    def describe(self, *, replan: bool = False) -> Desired:
        services = {
            name: Service(profile=profile, model=MODEL, port=PORTS[name]) for name, profile in self.profiles.items()
        }
        host = Host(name="strix", address="strix", runtime="debian", services=services, environment=self.environment)
        return Description(host, preview=True, replan=replan).desired(self._answer())

    def _answer(self) -> dict[str, Any]:
        answer = super()._answer()
        answer["runtime"] = {"present": True, "identity": self.identity, "help": HELP, "version": "version: 0.7.0"}
        for number, (name, manifest) in enumerate(self.manifests.items()):
            answer["services"][name]["measured"] = [*self.odd, self._measured(manifest["plan"], number)]
        return answer

    def _measured(self, plan: dict[str, Any], number: int) -> dict[str, Any]:
        sizes = {
            part["key"]: (part["formula_mib"] or part["mib"]) * self.factor
            for part in plan["parts"]
            if ".compute." in part["key"]
        }
        return {
            "at": f"2026-11-24T12:00:0{number}+00:00",
            "settings": plan["settings"],
            "circumstances": plan["circumstances"],
            "compute": [{"key": key, "measured_mib": mib, "largest_mib": mib} for key, mib in sizes.items()],
        }

    def state(self, service: str = "main") -> ServiceState:
        found: dict[str, ServiceState] = {state.name: state for state in self.describe().shown["services"]}
        return found[service]

    def parts(self, service: str = "main") -> dict[str, Part]:
        plan = self.state(service).plan
        assert plan is not None
        return {part.key: part for part in plan.parts}


def units(box: Box) -> dict[str, str]:
    """What of the units counts: their comments restart nothing."""
    return {item.service: directives(item.unit) for item in box.describe().resources if isinstance(item, Release)}


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0, 20.0])
@pytest.mark.parametrize("size", [64, 128])
def test_an_estimate_that_became_measured_restarts_nothing(size: int, factor: float) -> None:
    box = Measuring(size, "main", factor=factor)
    before, first = units(box), box.deploy()
    assert {part.sure for key, part in box.parts().items() if ".compute." in key} == {"measured"}
    assert units(box) == before
    assert box.deploy() == first
    assert units(box) == before
    for key, part in box.parts().items():
        if ".compute." in key:
            assert part.formula_mib is not None
            assert part.mib == pytest.approx(part.formula_mib * factor)


def test_two_services_are_left_alone_as_well() -> None:
    box = Measuring(128, "main", "second", factor=10.0)
    first = box.deploy()
    assert box.deploy() == first


def test_a_measurement_of_one_service_serves_another_of_the_same_kind() -> None:
    box = Measuring(128, "main")
    box.deploy()
    box.profiles["second"] = "coding"
    assert box.parts("second")["main.compute.device"].sure == "measured"
    box.profiles["second"] = "small"
    assert box.parts("second")["main.compute.device"].sure == "exact"


def test_what_it_depends_on() -> None:
    box = Measuring(128, "main")
    box.deploy()
    assert box.parts()["main.compute.device"].measured
    box.identity = "another binary"
    assert not box.parts()["main.compute.device"].measured
    box.identity, box.environment = "a binary", {"GGML_VK_VISIBLE_DEVICES": "0"}
    assert not box.parts()["main.compute.device"].measured
    box.environment = {}
    assert box.parts()["main.compute.device"].measured


def test_a_fresh_plan_counts_with_what_was_measured() -> None:
    """The compute buffer is 20 GiB larger than the formula says: said, kept, and by --replan no longer chosen."""
    box = Measuring(64, "main", factor=40.0)
    first = box.deploy()
    choice = dict(box.manifests["main"]["choice"])
    [note] = [note for note in box.describe().notes if "kept" in note]
    assert "--replan" in note
    assert box.deploy() == first
    assert box.deploy(replan=True) != first
    assert box.manifests["main"]["choice"] != choice


BUFFER = {"key": "main.compute.device", "measured_mib": 1.0, "largest_mib": 1.0}


@pytest.mark.parametrize(
    "odd",
    [
        {"settings": None},
        {"compute": [{**BUFFER, "key": "main.KV.device"}]},
        {"compute": [{**BUFFER, "measured_mib": -1.0}]},
        {"compute": [{**BUFFER, "largest_mib": float("inf")}]},
        {"compute": "much"},
        {"circumstances": ""},
    ],
)
def test_a_measurement_that_makes_no_sense_is_none(odd: dict[str, Any]) -> None:
    """The newest of all would otherwise win."""
    box = Measuring(128, "main")
    box.deploy()
    wanted = box.parts()
    newest = {**box._measured(box.manifests["main"]["plan"], 9), "compute": [BUFFER]}
    box.odd = [None, "text", {}, {**newest, **odd}]
    assert box.parts() == wanted
    box.odd = [newest]
    assert box.parts()["main.compute.device"].mib == 1.0
