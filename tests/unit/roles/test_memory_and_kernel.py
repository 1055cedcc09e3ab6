"""What the roles memory and kernel wish for: the limit by rule, bad wishes, what is given back, what is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roles.kernel import role as kernel_role
from roles.memory import role as memory
from strixkit.config.catalogue import load_runtime
from strixkit.config.host import Host, Provisioning, Service
from strixkit.config.source import ModelSource
from strixkit.engine.converge import Desired
from strixkit.errors import InputError
from strixkit.host.context import HostContext, RuntimeState
from strixkit.host.describe import Description
from strixkit.planner.facts import Facts
from strixkit.resources.artifact import Artifact
from strixkit.resources.kernel_arguments import Argument, KernelArguments
from strixkit.resources.release import Release

DATA = Path(__file__).parents[2] / "data"
FACTS = json.loads((DATA / "facts/framework-128gb.json").read_text())
GIB = 1 << 30


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


READY = "root=1 ttm.pages_limit=28311552 amd_iommu=off amdgpu.lockup_timeout=10000,60000,10000,10000"


def desired(
    facts: dict[str, Any] | None = None,
    *,
    reboot: bool = False,
    gpu: dict[str, Any] | None = None,
    total_gib: float | None = None,
    **wishes: Any,
) -> Desired:
    answer = json.loads(json.dumps(FACTS))
    answer["facts"] |= facts or {}
    if gpu is not None and answer["facts"]["gpu"]:
        answer["facts"]["gpu"] |= gpu
    if total_gib is not None:
        size = int(total_gib * GIB)
        answer["facts"]["memory"] = {"total_bytes": size, "available_bytes": size - 2 * GIB}
    host = Host(
        name="strix01",
        address="strix01",
        runtime="rocmfp4",
        provisioning=Provisioning(**wishes),
        services={"main": Service(profile="coding", model="qwen3.6-27b-mtp")},
    )
    return Description(host, preview=True, reboot=reboot).desired(answer)


def deployed(gpu: dict[str, Any], facts: dict[str, Any] | None = None, *, reboot: bool) -> Desired:
    """No preview: a box with a runtime, and a small model that is sent there."""
    source = ModelSource(controller=str(DATA / "gguf/tiny-pred-strix.gguf"))
    services = {"main": Service(profile="coding", model="tiny", source=source)}
    host = Host(name="strix01", address="strix01", runtime="rocmfp4", services=services)
    text = (DATA / "help/llama.cpp-0.7.0.txt").read_text()
    answer = json.loads(json.dumps(FACTS)) | {"runtime": {"present": True, "identity": "f00", "help": text}}
    answer["facts"] |= facts or {}
    answer["facts"]["gpu"] |= gpu
    return Description(host, reboot=reboot).desired(answer)


def asked(facts: dict[str, Any]) -> HostContext:
    """The context after both roles, on a box that may be rebooted."""
    host = Host(name="strix01", address="strix01", runtime="debian", services={})
    known = Facts.model_validate(FACTS["facts"] | facts)
    context = HostContext(host, known, RuntimeState("debian", load_runtime("debian")), (), may_reboot=True)
    for role in (memory, kernel_role):
        list(role.resources(context))
    return context


def kernel(found: Desired) -> KernelArguments | None:
    return next((resource for resource in found.resources if isinstance(resource, KernelArguments)), None)


def arguments(found: Desired) -> dict[str, Argument]:
    wanted = kernel(found)
    assert wanted is not None
    return {argument.name: argument for argument in wanted.arguments}


def pages(found: Desired) -> int:
    return int(arguments(found)["ttm.pages_limit"].value or 0)


@pytest.mark.parametrize(
    ("total_gib", "carve_out_gib", "gib"),
    [
        (125.09, 0.5, 108),
        (121.6, 4, 108),
        (61.2, 0.5, 54),
        (93, 0.5, 81),
        (29.5, 0.5, 26),  # 27 by the share of the memory; nine tenths of what Linux has are less
    ],
)
def test_the_limit_by_rule(total_gib: float, carve_out_gib: float, gib: int) -> None:
    memory_found = {"total_bytes": int(total_gib * GIB), "available_bytes": 0}
    context = asked({"memory": memory_found, "gpu": {"vram_total_bytes": int(carve_out_gib * GIB)}})
    assert {argument.name: argument.value for argument in context.arguments}["ttm.pages_limit"] == str(gib * 262144)


def test_a_wish_is_taken_in_gib() -> None:
    assert pages(desired(gtt_gib=96)) == 25165824
    assert pages(desired(gtt_gib=120, gtt_force=True)) == 31457280


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"gtt_gib": 120}, r"strix_gtt_gib is 120 of 125\.1 GiB that Linux has, wanted at most 112"),
        ({"gtt_gib": 126}, r"strix_gtt_gib is 126, and Linux has 125\.1 GiB"),
        ({"gtt_gib": 126, "gtt_force": True}, r"strix_gtt_gib is 126, and Linux has 125\.1 GiB"),
    ],
)
def test_a_wish_that_cannot_be(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        desired(**wishes)
    assert caught.value.host == "strix01"
    assert "112 or less" in (caught.value.hint or "")


def test_with_a_large_carve_out_the_bios_is_the_way() -> None:
    gpu = {"vram_total_bytes": 96 * GIB, "gtt_total_bytes": int(15.5 * GIB)}
    note = next(note for note in desired(gpu=gpu, total_gib=30.5).notes if "BIOS" in note)
    assert "96 GiB to the GPU alone" in note
    assert "UMA Frame Buffer Size -> 512 MB" in note
    assert "then GTT can be 108 GiB" in note
    with pytest.raises(InputError) as caught:
        desired(gpu=gpu, total_gib=30.5, gtt_gib=108)
    assert "UMA Frame Buffer Size -> 512 MB" in (caught.value.hint or "")


def test_stale_arguments_of_other_guides_must_go() -> None:
    gone = [name for name, argument in arguments(desired()).items() if argument.value is None]
    assert gone == ["amdgpu.gttsize", "amdgpu.gtt_size", "amdttm.pages_limit", "amdttm.page_pool_size"]


def test_default_gives_everything_back() -> None:
    found = desired(gtt_gib="default", iommu="default", lockup_timeout="default")
    assert {name: argument.released for name, argument in arguments(found).items()} == {
        "ttm.pages_limit": True,
        "amd_iommu": True,
        "amdgpu.lockup_timeout": True,
    }


@pytest.mark.parametrize(
    ("version", "wish", "value"),
    [
        ("7.0.4-14-generic", None, "10000,60000,10000,10000"),
        ("10.1.0", None, "10000,60000,10000,10000"),
        ("6.19.2-200.fc43.x86_64", None, "10000,60000,10000,10000"),
        ("6.18.9-200.fc43.x86_64", None, None),
        ("6.17.0-19-generic", None, None),
        ("", None, None),
        ("6.17.0-19-generic", "5000", "5000"),
        ("7.0.4", "default", None),
    ],
)
def test_the_timeout_of_compute_jobs(version: str, wish: str | None, value: str | None) -> None:
    found = arguments(desired({"kernel": version}, lockup_timeout=wish))["amdgpu.lockup_timeout"]
    assert (found.value, found.released) == (value, value is None)


def test_the_npu_that_is_lost_is_told() -> None:
    assert any("/dev/accel/accel0" in note for note in desired({"accelerators": ["accel0"]}).notes)
    for without in (desired(), desired({"accelerators": ["accel0"]}, iommu="default")):
        assert not any("NPU" in note for note in without.notes)


def test_without_a_gpu_nothing_is_wished_and_nothing_taken_away() -> None:
    found = desired({"gpu": None}, gtt_gib=500)
    assert kernel(found) is None
    assert any("no AMD GPU" in note for note in found.notes)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"virtualization": "container"}, "a container, whose kernel is the host's"),
        ({"virtualization": "vm", "boot": {"loader": "none", "why": "no boot loader is known here"}}, "no boot loader"),
    ],
)
def test_where_the_kernel_takes_no_arguments_of_ours_it_is_a_note(facts: dict[str, Any], why: str) -> None:
    found = desired(facts)
    assert kernel(found) is None
    note = next(note for note in found.notes if why in note)
    assert "ttm.pages_limit=28311552" in note
    assert not asked(facts).reboots, "nothing waits for a reboot that brings nothing"


def test_known_bad_versions_are_notes() -> None:
    found = desired({"kernel": "7.2.0", "packages": {"linux-firmware": "20251125-1"}})
    assert any(note.startswith("kernel: linux-firmware 20251125-1: its MES firmware") for note in found.notes)
    assert not any("kernel: Linux" in note for note in found.notes)


def test_services_wait_for_the_reboot_that_is_allowed() -> None:
    found = deployed({}, reboot=True)
    assert not found.complete
    assert not [resource for resource in found.resources if isinstance(resource, Release | Artifact)]
    assert asked({}).reboots
    assert not asked({"cmdline": READY}).reboots


def test_a_service_that_fits_only_after_the_reboot() -> None:
    with pytest.raises(InputError) as caught:
        deployed({"gtt_total_bytes": 600 << 20}, reboot=False)
    assert "deploy --reboot, which brings strix_gtt_gib from 0.6 to 108" in (caught.value.hint or "")
    assert not deployed({"gtt_total_bytes": 600 << 20}, reboot=True).complete


@pytest.mark.parametrize("facts", [{"virtualization": "container"}, {"cmdline": READY}])
@pytest.mark.parametrize("reboot", [True, False])
def test_a_reboot_that_brings_nothing_is_no_remedy(facts: dict[str, Any], reboot: bool) -> None:
    """Where the kernel takes no arguments of ours, or was booted with them already."""
    with pytest.raises(InputError) as caught:
        deployed({"gtt_total_bytes": 600 << 20}, facts, reboot=reboot)
    assert "--reboot" not in (caught.value.hint or "")


@pytest.mark.parametrize("reboot", [True, False])
def test_a_wish_below_what_a_service_needs_is_refused_whatever_is_live(reboot: bool) -> None:
    with pytest.raises(InputError, match="service main: no plan fits") as caught:
        desired(gtt_gib=12, reboot=reboot)
    assert "raise strix_gtt_gib from 12 to " in (caught.value.hint or "")
    # Where the wish never comes to be, it is not in the way.
    assert desired({"virtualization": "container"}, gtt_gib=12).resources


def test_gtt_that_is_not_what_the_kernel_was_booted_with_is_told() -> None:
    booted = {"cmdline": READY}
    assert not any("GTT is" in note for note in desired(booted).notes)
    [note] = [note for note in desired(booted, gpu={"gtt_total_bytes": 62 * GIB}).notes if "GTT is" in note]
    assert "GTT is 62.0 GiB although the kernel was booted with a limit of 108 GiB" in note
    capped = {"gtt_total_bytes": int(125.05 * GIB)}
    forced = {"cmdline": READY.replace("28311552", str(125 * 262144))}
    assert not any("GTT is" in note for note in desired(forced, gpu=capped, gtt_gib=125, gtt_force=True).notes)
