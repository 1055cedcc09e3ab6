"""What the inventory wants of a box, as far as checks judge it: the same roles that a deploy asks."""

from __future__ import annotations

from dataclasses import dataclass

from roles.memory import role as memory
from roles.rocm.sources import NONE, chosen, load_sources
from strixkit.config.distributions import distribution_of, load_distributions
from strixkit.config.host import Host
from strixkit.config.runtimes import Runtime
from strixkit.errors import InputError
from strixkit.host.context import HostContext, RuntimeState
from strixkit.planner.facts import Facts
from strixkit.resources import grub_drop_in
from strixkit.resources.base import Question
from strixkit.resources.command_line import plain
from strixkit.resources.kernel_arguments import Argument, KernelArguments

NAMES = (memory.PAGES_LIMIT, "amd_iommu", "amdgpu.lockup_timeout", *(name for name, _, _ in memory.STALE))


@dataclass(frozen=True)
class Wishes:
    """arguments: of the kernel. kernel: the resource of them, None where none is wished; `why` says so in words then.

    rocm: which ROCm. error, rocm_error: why a wish of the inventory cannot be, e.g. more GTT than there is memory.
    """

    arguments: tuple[Argument, ...] = ()
    kernel: KernelArguments | None = None
    why: str = ""
    rocm: str = NONE
    error: str = ""
    rocm_error: str = ""


def question() -> Question:
    """What the agent is asked of the boot loader, before it is known which arguments the facts come to."""
    return {"ask": KernelArguments.kind, "names": [plain(name) for name in NAMES], "drop_in": grub_drop_in.PATH}


def wishes(host: Host, facts: Facts, runtime: Runtime) -> Wishes:
    """The wishes for this host with these facts. Never raises."""
    rocm, refused = _rocm(host, facts)
    if not host.provisioning.enabled:
        return Wishes(why="strix_provision: false leaves the kernel's arguments alone")
    context = HostContext(host, facts, RuntimeState(host.runtime, runtime), ())
    try:
        list(memory.resources(context))
    except InputError as error:
        return Wishes(rocm=rocm, rocm_error=refused, error=error.text)
    arguments = tuple(context.arguments)
    if not arguments:
        return Wishes(why="; ".join(context.notes) or "no kernel argument is wished", rocm=rocm, rocm_error=refused)
    kernel = KernelArguments(arguments=arguments, cmdline=facts.cmdline, parameters=facts.module_parameters)
    return Wishes(arguments, kernel, rocm=rocm, rocm_error=refused)


def _rocm(host: Host, facts: Facts) -> tuple[str, str]:
    """Which ROCm this box is to have, or why the inventory's wish cannot be. An unknown release has no rule."""
    try:
        distribution = distribution_of(facts.os, load_distributions())
    except InputError:
        return host.provisioning.rocm or NONE, ""
    try:
        return chosen(load_sources(), distribution, host.provisioning.rocm) or NONE, ""
    except InputError as error:
        return NONE, error.text
