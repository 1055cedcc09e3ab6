"""A runtime from source: nothing silently less than what was asked for, and nothing before its tools are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roles.runtime import source
from strixkit.config.catalogue import load_runtime
from strixkit.config.distributions import distribution_of, load_distributions
from strixkit.config.host import Host, Provisioning, Service
from strixkit.config.runtimes import GitRuntime
from strixkit.errors import InputError
from strixkit.host import builds
from strixkit.host.context import HostContext, RuntimeState
from strixkit.planner.facts import Facts
from strixkit.resources.base import Resource
from strixkit.resources.build import Build, Pack
from strixkit.resources.packages import Packages

FACTS = Path(__file__).parents[2] / "data/facts/bare/framework-128gb.json"  # Ubuntu 24.04
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOOLS = ("git", "cmake", "ninja-build", "g++", "pkgconf", "libssl-dev", "ccache")
TOOLS += ("libvulkan-dev", "glslc", "spirv-headers")
HIP = ("rocm-hip-runtime-dev", "hipblas-dev", "rocblas-dev")


def _context(
    name: str, *installed: str, rocm: Any = None, commit: str = COMMIT, **facts: Any
) -> tuple[HostContext, GitRuntime]:
    answer = json.loads(FACTS.read_text())["facts"]
    found = Facts.model_validate({**answer, "packages": dict.fromkeys(installed, "1"), **facts})
    services = {"main": Service(profile="coding", model="qwen3.6-27b-mtp")}
    host = Host(
        name="strix01", address="strix01", runtime=name, services=services, provisioning=Provisioning(rocm=rocm)
    )
    entry = load_runtime(name)
    assert isinstance(entry, GitRuntime)
    state, _ = builds.source_state(name, entry, commit, found, [])
    runtime = RuntimeState(name, entry, "/x/llama-server", state)
    distribution = distribution_of(found.os, load_distributions())
    return HostContext(host, found, runtime, (), distribution=distribution), entry


def _wished(host: HostContext, entry: GitRuntime) -> list[Resource]:
    return list(source.resources(host, entry))


def test_without_a_lock_nothing_is_built() -> None:
    host, entry = _context("rocmfp4", *TOOLS, *HIP, commit="")
    assert _wished(host, entry) == []
    assert "is not locked to a commit\n  next: invoke lock --only rocmfp4" in host.lacks[0]


def test_tools_come_first() -> None:
    host, entry = _context("rocmfp4-vulkan")
    assert not any(isinstance(item, Build) for item in _wished(host, entry))
    assert not host.complete
    assert "is built when its tools are installed: git, cmake" in host.notes[0]
    [packages] = [item for item in _wished(host, entry) if isinstance(item, Packages)]
    assert set(packages.names) == set(TOOLS)


def test_with_all_tools_it_is_built() -> None:
    host, entry = _context("rocmfp4", *TOOLS, *HIP)
    [build] = [item for item in _wished(host, entry) if isinstance(item, Build)]
    assert build.spec["verify"]["devices"] == ["ROCm0", "Vulkan0"]
    assert build.spec["verify"]["software"] is False, "a real box: llvmpipe is no GPU"
    assert build.spec["verify"]["environment"]["ROCm0"]["HSA_OVERRIDE_GFX_VERSION"] == "11.5.1"
    assert host.complete


def test_without_hip_a_build_for_vulkan_is_offered_and_not_taken() -> None:
    host, entry = _context("rocmfp4", *TOOLS, rocm="none")
    assert _wished(host, entry) == [], "nothing is installed for what cannot be built"
    assert "built for HIP, and the box has no HIP compiler" in host.lacks[0]
    assert "strix_runtime: rocmfp4-vulkan (the same source for Vulkan alone)" in host.lacks[0]


def test_without_hip_another_source_is_better_than_none() -> None:
    host, entry = _context("rocmfpx", *TOOLS, rocm="none")
    assert _wished(host, entry) == []
    assert "strix_runtime: rocmfp4-vulkan (for Vulkan alone)" in host.lacks[0]


def test_hip_that_role_rocm_is_about_to_bring_is_waited_for() -> None:
    host, entry = _context("rocmfp4", *TOOLS)
    assert not any(isinstance(item, Build) for item in _wished(host, entry))
    assert host.lacks == []
    assert "HIP's compiler" in host.notes[0]


def test_fedora_is_told_what_to_install() -> None:
    release = {"id": "fedora", "version_id": "43", "name": "Fedora Linux 43"}
    host, entry = _context("rocmfp4-vulkan", os=release, package_manager="dnf")
    assert not any(isinstance(item, Build | Packages) for item in _wished(host, entry))
    assert "\n  next: dnf install git-core cmake" in host.lacks[0]


def test_a_pack_for_another_kind_of_box_is_refused() -> None:
    host, entry = _context("rocmfp4-vulkan")
    state = host.runtime.source
    assert state is not None
    other = state.inputs.model_copy(update={"base": {**state.inputs.base, "cpu": "another"}})
    name = builds.build_id("rocmfp4-vulkan", COMMIT, other)
    packed = builds.Packed(name, other, Pack(path="/x", sha256="0" * 64, size=1, host="strix02"))
    runtime = RuntimeState("rocmfp4-vulkan", entry, "/x", builds.SourceState(COMMIT, state.inputs, name, packed=packed))
    context = HostContext(host.host, host.facts, runtime, (), distribution=host.distribution)
    with pytest.raises(InputError, match=r"strix01: the build of strix02 is not for this box: cpu is"):
        _wished(context, entry)


def test_a_build_that_was_pushed_needs_no_tools() -> None:
    host, entry = _context("rocmfp4-vulkan")
    assert host.runtime.source is not None
    pushed = builds.SourceState(COMMIT, host.runtime.source.inputs, host.runtime.source.build, pushed=True)
    context = HostContext(host.host, host.facts, RuntimeState("rocmfp4-vulkan", entry, "/x", pushed), ())
    wished = _wished(context, entry)
    assert any(isinstance(item, Build) for item in wished)
    assert not any(isinstance(item, Packages) for item in wished)
