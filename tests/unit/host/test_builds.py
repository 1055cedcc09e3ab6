"""Which build a host is to have: unchanged inputs never build again, changed ones always do."""

from __future__ import annotations

from typing import Any

import pytest

from strixkit.config.runtimes import GitRuntime
from strixkit.errors import RemoteError
from strixkit.host import builds
from strixkit.planner.facts import Facts

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ENTRY = GitRuntime.model_validate(
    {
        "description": "a small one",
        "provider": "git",
        "repository": "https://git.example/small",
        "ref": "main",
        "backends": ["hip", "vulkan"],
        "build": [["ninja", "-C", "{build}"]],
        "programs": ["llama-server"],
        "binary": "llama-server",
        "family": "rocmfp4",
        "loads": "rocmfp4",
        "job_mib": 500,
        "recorded": {"version": "1", "flags": {}},
    }
)
PACKAGES = {"g++": "4:15", "g++-15": "15.1-1", "g++-14": "14.3-1", "glslc": "2026.1", "hipcc": "7.2", "git": "2.50"}


def _facts(**changed: Any) -> Facts:
    base = {
        "hostname": "strix01",
        "os": {"id": "ubuntu", "version_id": "24.04"},
        "memory": {"total_bytes": 1 << 37, "available_bytes": 1 << 36},
        "compiler": "/usr/bin/x86_64-linux-gnu-g++-15",
        "cpu": "AMD RYZEN AI MAX+ 395",
        "packages": PACKAGES,
        "rocm": {"/opt/rocm-7.2.4": "7.2.4"},
    }
    return Facts.model_validate({**base, **changed})


def _finished(facts: Facts, commit: str = COMMIT, **changed: Any) -> dict[str, Any]:
    inputs = builds.inputs_of(builds.definition(ENTRY, commit), ENTRY.backends, facts)
    name = builds.build_id("rocmfp4", commit, inputs)
    return {"id": name, "inputs": inputs.model_dump(), "built": "2026-01-01T00:00:00Z", **changed}


def _state(facts: Facts, *found: dict[str, Any]) -> tuple[builds.SourceState, builds.Finished | None]:
    return builds.source_state("rocmfp4", ENTRY, COMMIT, facts, builds.finished_in({"builds": list(found)}, "strix01"))


def test_what_was_built_of_the_same_is_not_built_again() -> None:
    facts = _facts()
    source, fit = _state(facts, _finished(facts))
    assert fit is not None
    assert source.build == fit.build
    assert source.build.startswith("rocmfp4-0123456789ab-")


@pytest.mark.parametrize("name", ["git", "g++-14"])
def test_what_shapes_nothing_is_no_reason(name: str) -> None:
    _, fit = _state(_facts(packages={**PACKAGES, name: "new"}), _finished(_facts()))
    assert fit is not None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"packages": {**PACKAGES, "g++-15": "15.2-1"}}, "g++-15 was 15.1-1 and is 15.2-1"),
        ({"packages": {**PACKAGES, "glslc": "2026.2"}}, "glslc was 2026.1 and is 2026.2"),
        ({"packages": {**PACKAGES, "hipcc": "7.3"}}, "hipcc was 7.2 and is 7.3"),
        ({"compiler": "/usr/bin/x86_64-linux-gnu-g++-14"}, "g++-14 was absent and is 14.3-1, g++-15 was 15.1-1"),
        ({"rocm": {"/opt/rocm-7.2.5": "7.2.5"}}, "rocm was 7.2.4 and is 7.2.5"),
        ({"cpu": "another"}, "cpu was AMD RYZEN AI MAX+ 395 and is another"),
        ({"os": {"id": "ubuntu", "version_id": "26.04"}}, "distribution was ubuntu 24.04 and is ubuntu 26.04"),
    ],
)
def test_each_change_of_an_input_is_another_build(changed: dict[str, Any], why: str) -> None:
    before = _finished(_facts())
    source, fit = _state(_facts(**changed), before)
    assert fit is None
    assert source.build != before["id"]
    assert why in source.why


def test_another_commit_is_another_build() -> None:
    source, fit = _state(_facts(), _finished(_facts(), commit="f" * 40))
    assert fit is None
    assert source.why == "its commit or its options have changed"


def test_a_build_of_another_box_needs_no_tools_here_but_the_same_machine() -> None:
    there = _facts()
    here = _facts(packages={}, compiler="")
    pushed = _finished(there, pushed_from="strix01")
    source, fit = _state(here, pushed)
    assert fit is not None
    assert source.build == pushed["id"]
    assert _state(here, _finished(there))[1] is None, "one that was built here was built with other tools"
    assert _state(_facts(packages={}, rocm={}), pushed)[1] is None


def test_a_name_that_does_not_follow_from_the_inputs_is_not_taken() -> None:
    facts = _facts()
    other = _finished(facts, id="rocmfp4-0123456789ab-ffffffffffff")
    source, fit = _state(facts, other)
    assert (fit, source.build) == (None, _finished(facts)["id"])


def test_fedoras_rocm_is_one_that_boxes_must_have_in_common() -> None:
    def base(version: str) -> dict[str, str]:
        facts = _facts(rocm={}, packages={"rocm-hip-devel": version})
        return builds.inputs_of("x", ENTRY.backends, facts).base

    assert base("6.4.2-1.fc43")["rocm"] == "6.4.2-1.fc43"


def test_a_pack_of_another_kind_of_box_is_refused_with_what_differs() -> None:
    pack = builds.Inputs.model_validate(_finished(_facts())["inputs"])
    same = builds.inputs_of(pack.definition, ENTRY.backends, _facts(packages={}))
    assert builds.refusal(pack, same) == ""
    other = builds.inputs_of(pack.definition, ENTRY.backends, _facts(os={"id": "debian", "version_id": "13"}, rocm={}))
    assert builds.refusal(pack, other) == (
        "distribution is debian 13 here and ubuntu 24.04 there; rocm is absent here and 7.2.4 there"
    )
    assert "another commit" in builds.refusal(pack, same.model_copy(update={"definition": "x"}))


@pytest.mark.parametrize("builds_there", [{}, [1], [{"id": "../../etc", "inputs": {}}], [{"id": 5}], "x"])
def test_a_box_that_says_nonsense_of_its_builds(builds_there: Any) -> None:
    if builds_there == {}:
        assert builds.finished_in({"builds": builds_there}, "strix01") == []
        return
    with pytest.raises(RemoteError, match="strix01: what it says of its builds makes no sense"):
        builds.finished_in({"builds": builds_there}, "strix01")
