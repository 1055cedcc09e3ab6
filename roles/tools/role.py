"""Our own programs on the box: strix-verify for models, strix-probe for the GPU. Built when a verb needs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roles.runtime.source import builder
from strixkit.config.validate import validate
from strixkit.config.values import Section
from strixkit.config.yaml import load
from strixkit.host import native
from strixkit.host.context import USER, HostContext
from strixkit.host.sandbox import sandbox
from strixkit.resources.base import Resource
from strixkit.resources.build import Build
from strixkit.resources.old_builds import OldBuilds
from strixkit.resources.packages import Packages

DEFAULTS = Path(__file__).parent / "defaults.yaml"
REASON = "to look at models and at the GPU"


class Defaults(Section):
    """This role's defaults.yaml: packages by package manager."""

    packages: dict[str, tuple[str, ...]]


def resources(host: HostContext) -> Iterator[Resource]:
    """Tools first: their versions are a part of what the build is. HIP is used where it is, and not installed."""
    names = validate(load(DEFAULTS), Defaults).packages.get(host.facts.package_manager, ())
    yield from builder()
    if host.facts.package_manager == "apt":
        yield Packages(label="build-tools", names=names, reason=f"to build programs {REASON}")
    missing = [name for name in names if name not in host.facts.packages]
    if missing and host.facts.package_manager == "dnf":
        host.lack(f"to build programs {REASON}: {', '.join(missing)} are missing", f"dnf install {' '.join(missing)}")
        return
    if missing:
        host.wait(f"our own programs are built when {', '.join(missing)} are installed")
        return
    sources = native.archive()
    name, inputs = native.wanted(sources, host.facts)
    yield Build(
        build=name,
        spec=native.spec(sources, name, inputs, USER, sandbox()),
        origin=f"strixkit's native/ ({name.split('-')[2]})",
        after=("packages:build-tools", f"user:{USER}"),
        reason=REASON,
    )
    yield OldBuilds(name=native.NAME, wanted=name, keep=1, reason="older programs of ours")
    host.shown["tools"] = name
