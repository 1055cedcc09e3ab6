"""Which build of a runtime a host is to have, and whether one that is there is that. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from strixkit.config.runtimes import GitRuntime
from strixkit.errors import RemoteError
from strixkit.planner.facts import Answered, Facts, Name, Table
from strixkit.resources.build import ID, Pack

HIP, VULKAN = "hip", "vulkan"
# Headers and compilers whose version shapes a backend's code, by the names of Debian, Ubuntu, Fedora and AMD.
SHAPING = {
    VULKAN: re.compile(r"glslc|libvulkan-dev|vulkan-loader-devel|spirv-headers(-devel)?"),
    HIP: re.compile(r"(hip|rocblas|libamdhip|libhip|librocblas|rocm-(core|hip|llvm|device)|amdrocm)\S*"),
}
ALWAYS = re.compile(r"gcc-c\+\+")  # Fedora's compiler; those of Debian are known by the program's own name
HIP_OF_ARCHIVES = ("libamdhip64-dev", "rocm-hip-devel")  # Debian's and Ubuntu's, Fedora's
LOWERCASE = re.compile(r"[^a-z0-9.-]+")


class Inputs(Answered):
    """All that shapes a build.

    definition: hash of commit, options and commands. tools: package -> version of compilers and headers.
    base: what a build of another box must have in common with this one: distribution, ROCm, CPU.
    """

    definition: Name
    tools: Table
    base: Table

    def digest(self) -> str:
        """Twelve hex digits."""
        return _digest(self.model_dump(mode="json"))[:12]


class Finished(Answered):
    """A build on the box, as its build.json and its binary say. `binary`: the agent's probe of the server."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    build: Annotated[str, Field(alias="id", pattern=ID)]
    inputs: Inputs
    built: Name = ""
    pushed_from: Name = ""
    binary: dict[str, Any] = Field(default_factory=dict)
    rehearsal: str | None = None


@dataclass(frozen=True)
class Packed:
    """A build of another box, packed on this machine."""

    build: str
    inputs: Inputs
    pack: Pack


@dataclass(frozen=True)
class SourceState:
    """A runtime that is built from source, on one host.

    commit: the locked one; empty: none is locked. build: id of the build that the host is to have.
    why: what has changed since the newest build of it that is there. packed: it comes from another box.
    pushed: it is there, from another box, so that nothing is needed to build it.
    """

    commit: str
    inputs: Inputs
    build: str
    why: str = ""
    packed: Packed | None = None
    pushed: bool = False


def source_state(
    name: str, entry: GitRuntime, commit: str, facts: Facts, found: list[Finished]
) -> tuple[SourceState, Finished | None]:
    """What the host is to have of a runtime, and the build that is it already."""
    wanted = inputs_of(definition(entry, commit), entry.backends, facts)
    # The name is a folder, here and on boxes that get the build: one that does not follow from the inputs is not taken.
    named = [item for item in found if item.build == build_id(name, commit, item.inputs)]
    fit = fitting(named, wanted) if commit else None
    if fit is not None:
        return SourceState(commit, fit.inputs, fit.build, pushed=bool(fit.pushed_from)), fit
    return SourceState(commit, wanted, build_id(name, commit, wanted), why_anew(found, wanted)), None


def definition(entry: GitRuntime, commit: str) -> str:
    """The hash of all that strixkit decides of a build. The same commit from another place is the same source."""
    wanted = {
        "commit": commit,
        "configure": [list(words) for words in entry.configure],
        "build": [list(words) for words in entry.build],
        "environment": dict(entry.environment_build),
        "programs": list(entry.programs),
        "headers": list(entry.headers),
    }
    return _digest(wanted)


def inputs_of(definition: str, backends: Iterable[str], facts: Facts) -> Inputs:
    """What would shape a build on this host now. Nothing of a tool that is not installed."""
    compiler = facts.compiler.rpartition("/")[2]
    shaping = (ALWAYS, *(SHAPING[backend] for backend in backends))
    tools = {
        name: version
        for name, version in facts.packages.items()
        if compiler.endswith(name) or any(pattern.fullmatch(name) for pattern in shaping)
    }
    release = f"{facts.os.id} {facts.os.version_id or facts.os.codename}"
    base = {"distribution": release, "cpu": facts.cpu}
    if HIP in backends:
        own = (facts.packages[name] for name in HIP_OF_ARCHIVES if name in facts.packages)
        base["rocm"] = ", ".join(sorted(facts.rocm.values())) or next(own, "")
    return Inputs(definition=definition, tools=dict(sorted(tools.items())), base=base)


def build_id(name: str, commit: str, inputs: Inputs) -> str:
    """The name of the build's folder."""
    return f"{slug(name)}-{commit[:12] or 'unlocked'}-{inputs.digest()}"


def slug(name: str) -> str:
    """The name of a runtime as builds have it in theirs."""
    return LOWERCASE.sub("-", name.lower())


def finished_in(answer: Any, host: str) -> list[Finished]:
    """The builds in a facts answer. Raises RemoteError: the box is not trusted."""
    try:
        return [Finished.model_validate(item) for item in answer.get("builds") or []]
    except (ValidationError, AttributeError, TypeError) as error:
        raise RemoteError(f"what it says of its builds makes no sense: {error}", host=host) from error


def fitting(found: Iterable[Finished], wanted: Inputs) -> Finished | None:
    """The newest build that is the wanted one.

    One that was built here must have been made with the tools that are here. One of another box need not: this box may
    have none; its distribution, ROCm and CPU were the same when it was unpacked, and must still be.
    """
    same = [
        item
        for item in found
        if item.inputs.definition == wanted.definition
        and item.inputs.base == wanted.base
        and (item.pushed_from or item.inputs.tools == wanted.tools)
    ]
    return max(same, key=lambda item: item.built, default=None)


def why_anew(found: Iterable[Finished], wanted: Inputs) -> str:
    """What has changed since the newest build of the runtime; empty when there is none."""
    newest = max(found, key=lambda item: item.built, default=None)
    if newest is None:
        return ""
    if newest.inputs.definition != wanted.definition:
        return "its commit or its options have changed"
    before = {**newest.inputs.base, **newest.inputs.tools}
    now = {**wanted.base, **wanted.tools}
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return ", ".join(f"{name} was {before.get(name, 'absent')} and is {now.get(name, 'absent')}" for name in changed)


def refusal(pack: Inputs, here: Inputs) -> str:
    """Why a build of another box cannot be used on this one; empty when it can."""
    if pack.definition != here.definition:
        return "it was built from another commit or with other options than this host's inventory and lock want"
    names = sorted({*pack.base, *here.base})
    differ = [name for name in names if pack.base.get(name) != here.base.get(name)]
    return "; ".join(
        f"{name} is {here.base.get(name) or 'absent'} here and {pack.base.get(name) or 'absent'} there"
        for name in differ
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
