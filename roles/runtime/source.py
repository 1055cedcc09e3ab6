"""A runtime that is built on the box from the locked commit: its tools, the build, and what older builds may go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from roles.rocm.sources import NONE, chosen, load_sources
from strixkit.config.catalogue import load_runtime, runtime_names
from strixkit.config.runtimes import GitRuntime
from strixkit.config.validate import validate
from strixkit.config.values import Section
from strixkit.config.yaml import load
from strixkit.errors import InputError
from strixkit.host import builds
from strixkit.host.context import STATE, USER, HostContext, environment_of
from strixkit.host.golden import golden_of
from strixkit.host.provision import no_gpu_by_nature
from strixkit.host.sandbox import sandbox
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource
from strixkit.resources.build import BUILDS, CACHE, PACKS, Build
from strixkit.resources.build import USER as BUILDER
from strixkit.resources.directory import Directory
from strixkit.resources.old_builds import OldBuilds
from strixkit.resources.packages import Packages
from strixkit.resources.user import User

DEFAULTS = Path(__file__).parent / "defaults.yaml"
DEVICES = {builds.HIP: "ROCm0", builds.VULKAN: "Vulkan0"}
# Either is a HIP: AMD's packages, those of the archives.
HIP_PACKAGES = ("hipcc", "rocm-hip-runtime-dev", "rocm-hip-devel")
WHY_USER = "builds run as a user of their own: the source's scripts are not root's"


class Defaults(Section):
    """This role's defaults.yaml: packages by package manager, and by `common` or the name of a backend."""

    packages: dict[str, dict[str, tuple[str, ...]]]


def resources(host: HostContext, entry: GitRuntime) -> Iterator[Resource]:
    """Nothing is built before its tools are there, since their versions are a part of what the build is."""
    runtime, source = host.runtime, host.runtime.source
    assert source is not None
    if not source.commit:
        what = f"runtime {runtime.name}: {entry.ref} of {entry.repository} is not locked to a commit"
        _lack(host, what, f"invoke lock --only {runtime.name}")
        return
    if not (source.packed or source.pushed) and not _can_have_hip(host, entry):
        return
    yield from builder()
    golden = golden_of(entry.loads)
    model = f"{STATE}/golden/{golden.sha256[:12]}.gguf"
    yield Directory(path=f"{STATE}/golden", reason="tiny models whose answers are known")
    yield Artifact(
        path=model,
        sha256=golden.sha256,
        size=golden.size,
        source=str(golden.path),
        reason="each build must compute its recorded answer on every device",
    )
    if source.packed:
        _check(host, source, source.packed)
        yield Directory(path=PACKS, reason="builds of other boxes, until they are unpacked")
    elif not source.pushed:
        wanted = tools(host, entry)
        if host.facts.package_manager == "apt":
            yield Packages(label=f"build-{runtime.name}", names=wanted, reason=f"to build runtime {runtime.name}")
        if not _has_tools(host, entry, wanted):
            return
    reason = f"runtime {runtime.name}"
    yield Build(
        build=source.build,
        spec={**spec(host, entry, source), "verify": _verify(host, entry, source, golden.spec(model))},
        origin=f"{entry.repository} at {source.commit[:12]} ({entry.ref})",
        pack=source.packed.pack if source.packed else None,
        after=(f"packages:build-{runtime.name}", f"artifact:{model}", f"user:{USER}"),
        reason=f"{reason}: {source.why}" if source.why else reason,
    )
    yield OldBuilds(name=builds.slug(runtime.name), wanted=source.build, reason=f"builds of {reason}")


def _check(host: HostContext, source: builds.SourceState, packed: builds.Packed) -> None:
    """Raises InputError: the build of the other box is none for this one."""
    why = builds.refusal(packed.inputs, source.inputs)
    if why:
        text = f"the build of {packed.pack.host} is not for this box: {why}"
        raise InputError(text, host=host.host.name, hint=f"invoke build --host {host.host.name} builds it there")


def _can_have_hip(host: HostContext, entry: GitRuntime) -> bool:
    """False, with what to do, where HIP is asked for and nobody brings it: nothing is installed for such a build."""
    if builds.HIP not in entry.backends or has_hip(host) or _brings_hip(host):
        return True
    other = _without_hip(entry)
    _lack(
        host,
        f"runtime {host.runtime.name} is built for HIP, and the box has no HIP compiler and is to get none",
        "in inventory.yaml another strix_rocm (the README lists them)"
        + (f", or strix_runtime: {other}" if other else ""),
    )
    return False


def _has_tools(host: HostContext, entry: GitRuntime, wanted: Sequence[str]) -> bool:
    """Whether the build can begin; if not, the context says what comes before it, or what a person must do."""
    name = host.runtime.name
    missing = [package for package in wanted if package not in host.facts.packages]
    if missing and host.facts.package_manager == "dnf":
        what = f"runtime {name} is built when {', '.join(missing)} are installed, and strixkit installs nothing by dnf"
        _lack(host, what, f"dnf install {' '.join(missing)}")
        return False
    if builds.HIP in entry.backends and not has_hip(host):
        missing.append("HIP's compiler")
    if missing:
        _wait(host, f"runtime {name} is built when its tools are installed: {', '.join(missing)}")
    return not missing


def _verify(host: HostContext, entry: GitRuntime, source: builds.SourceState, golden: dict[str, Any]) -> dict[str, Any]:
    """What a build must show before it is used."""
    devices = [DEVICES[backend] for backend in entry.backends]
    return {
        "commit": source.commit,
        "devices": devices,
        "software": no_gpu_by_nature(host.facts),
        "user": USER,
        "sandbox": sandbox(),
        "environment": {device: environment_of(host.runtime, host.host, device) for device in devices},
        "golden": golden,
    }


def _lack(host: HostContext, what: str, hint: str) -> None:
    """A preview goes on with what the catalogue has recorded of the runtime."""
    if host.runtime.recorded:
        host.notes.append(f"{what}; next: {hint}")
    else:
        host.lack(what, hint)


def _wait(host: HostContext, why: str) -> None:
    if host.runtime.recorded:
        host.notes.append(why)
    else:
        host.wait(why)


def builder() -> Iterator[Resource]:
    """Who builds, and where."""
    yield User(name=BUILDER, home=CACHE, reason=WHY_USER)
    yield Directory(path=BUILDS, reason="finished builds, one folder for each")
    yield Directory(path=CACHE.rpartition("/")[0], reason="what can be made again")
    yield Directory(path=CACHE, owner=BUILDER, group=BUILDER, reason="sources, objects, ccache: can be made again")


def spec(host: HostContext, entry: GitRuntime, source: builds.SourceState) -> dict[str, Any]:
    """What the agent needs to make the build."""
    return {
        "id": source.build,
        "name": builds.slug(host.runtime.name),
        "source": {"repository": entry.repository, "ref": entry.ref, "commit": source.commit},
        "configure": [list(words) for words in entry.configure],
        "build": [list(words) for words in entry.build],
        "environment": dict(entry.environment_build),
        "programs": list(entry.programs),
        "headers": list(entry.headers),
        "job_mib": entry.job_mib,
        "inputs": (source.packed or source).inputs.model_dump(mode="json"),
        "jobs": 0,
    }


def tools(host: HostContext, entry: GitRuntime) -> tuple[str, ...]:
    """Packages that a build needs beside HIP's."""
    sets = validate(load(DEFAULTS), Defaults).packages.get(host.facts.package_manager, {})
    return tuple(name for key in ("common", *entry.backends) for name in sets.get(key, ()))


def has_hip(host: HostContext) -> bool:
    """A HIP compiler is on the box."""
    known = host.facts.packages
    return any(name in known for name in HIP_PACKAGES) or any(name.startswith("amdrocm-core-dev") for name in known)


def _brings_hip(host: HostContext) -> bool:
    """Role rocm has installed it, or is about to."""
    if not host.host.provisioning.enabled or host.distribution is None:
        return False
    return chosen(load_sources(), host.distribution, host.host.provisioning.rocm) not in (None, NONE)


def _without_hip(entry: GitRuntime) -> str:
    """A runtime of the catalogue that loads the same and needs no HIP: of the same source if there is one; or none."""
    known = {name: load_runtime(name) for name in runtime_names()}
    others = {
        name: other
        for name, other in known.items()
        if isinstance(other, GitRuntime) and other.loads == entry.loads and builds.HIP not in other.backends
    }
    same = [name for name, other in others.items() if (other.repository, other.ref) == (entry.repository, entry.ref)]
    if same:
        return f"{same[0]} (the same source for Vulkan alone)"
    return next((f"{name} (for Vulkan alone)" for name in others), "")
