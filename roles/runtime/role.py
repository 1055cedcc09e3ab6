"""A build of llama.cpp, by the provider that the catalogue names for it."""

from __future__ import annotations

from collections.abc import Iterator

from roles.runtime import source
from strixkit.config.runtimes import GitRuntime, PackageRuntime
from strixkit.errors import InputError
from strixkit.host.context import HostContext
from strixkit.resources.base import Resource
from strixkit.resources.packages import Packages


def resources(host: HostContext) -> Iterator[Resource]:
    """The provider's resources: packages, a build from source, or nothing for what a person has put there."""
    runtime = host.runtime
    if isinstance(runtime.entry, GitRuntime):
        yield from source.resources(host, runtime.entry)
    elif isinstance(runtime.entry, PackageRuntime):
        if host.facts.package_manager not in ("apt", ""):
            raise InputError(
                f"runtime {runtime.name} is installed by apt; the box has {host.facts.package_manager}",
                host=host.host.name,
                hint="set strix_runtime in inventory.yaml to one that fits",
            )
        yield Packages(label=runtime.name, names=runtime.entry.packages, reason=f"runtime {runtime.name}")
        if runtime.error:
            # A package that is half installed: installing the rest may mend it.
            host.notes.append(f"runtime {runtime.name}: {runtime.error}")
    elif runtime.error:
        raise InputError(
            f"runtime {runtime.name}: {runtime.error}",
            host=host.host.name,
            hint=f"make it work there: sudo -u nobody {runtime.binary} --help",
        )
    elif not runtime.present and not runtime.recorded:
        host.lack(
            f"runtime {runtime.name}: {runtime.binary} is not on the box",
            f"build it there (profiles/runtimes/{runtime.name}.yaml says how), or set another strix_runtime",
        )
