"""Has the runtime what a recipe needs? Asked before anything is fetched."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from strixkit.config.catalogue import load_runtime, runtime_names
from strixkit.config.names import suggestion
from strixkit.config.runtimes import PackageRuntime
from strixkit.errors import InputError
from strixkit.host.context import HostContext
from strixkit.host.making import Making
from strixkit.resources.base import Resource
from strixkit.resources.packages import Packages
from strixkit.runtime.quantize import types_in

TOOLS = ("llama-quantize", "llama-imatrix")
FORK = "ROCM"  # the fork's types have it in their names


def tools_there(host: HostContext) -> Generator[Resource, None, bool]:
    """Yields what brings the tools; returns whether they are there. Raises InputError when nothing brings them."""
    runtime = host.runtime
    names = runtime.entry.tool_packages if isinstance(runtime.entry, PackageRuntime) else ()
    if names:
        yield Packages(label=f"{runtime.name}-tools", names=names, reason=f"tools of runtime {runtime.name}")
    if not runtime.present:
        host.wait(f"the rest is known when runtime {runtime.name} is installed")
        return False
    missing = [name for name in TOOLS if name not in runtime.tools]
    if not missing:
        return True
    what = f"runtime {runtime.name} has no {' and no '.join(missing)} in {runtime.binary.rpartition('/')[0]}"
    if not names:
        hint = f"add them to programs and build in profiles/runtimes/{runtime.name}.yaml, or another strix_runtime"
        raise InputError(what, host=host.host.name, hint=hint)
    host.wait(f"{what}; {', '.join(names)} should bring it")
    return False


def check_types(host: HostContext, making: Making) -> None:
    """Raises InputError when the runtime does not know a type that is wanted, with the names of those that may."""
    runtime = host.runtime
    wanted = {making.recipe.variants[name].type.upper(): name for name in reversed(making.variants)}
    known = types_in(runtime.quantize_help)
    if known:
        unknown = [name for name in wanted if name not in known]
        said = "by its llama-quantize --help"
    else:
        # It cannot be asked yet, and what is certain is said before it is installed.
        unknown = [name for name in wanted if FORK in name and runtime.entry.loads == "stock"]
        said = "as it loads stock's types only"
    if not unknown:
        return
    near = suggestion(unknown[0], known)
    raise InputError(
        f"runtime {runtime.name} does not know type {', '.join(unknown)} of variant {wanted[unknown[0]]}, {said}{near}",
        host=host.host.name,
        hint=f"{_others(unknown)}; nothing was fetched",
    )


def _others(types: Iterable[str]) -> str:
    if not any(FORK in name for name in types):
        return "in profiles/models/: a type that llama-quantize --help lists"
    names = [name for name in runtime_names() if load_runtime(name).loads == "rocmfp4"]
    return f"in inventory.yaml strix_runtime: {' or '.join(names)}"
