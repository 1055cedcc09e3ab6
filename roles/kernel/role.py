"""What the kernel is booted with, and which versions are known to work."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host.compatibility import verdicts
from strixkit.host.context import HostContext
from strixkit.host.provision import CONTAINER
from strixkit.resources.base import Resource
from strixkit.resources.kernel_arguments import KernelArguments


def resources(host: HostContext) -> Iterator[Resource]:
    """One resource of all arguments that the roles before want, where a boot loader gives them to the kernel."""
    if host.facts.gpu is not None:
        host.notes += [f"kernel: {known.words}" for known in verdicts(host.facts) if known.verdict != "ok"]
    if not host.arguments:
        return
    if why := _skipped(host):
        wished = [f"{item.name}={item.value}" for item in host.arguments if item.value is not None]
        host.notes.append(f"kernel: {why}: {' '.join(wished) or 'its arguments'} cannot be set here")
        return
    wanted = KernelArguments(
        arguments=tuple(host.arguments),
        cmdline=host.facts.cmdline,
        parameters=host.facts.module_parameters,
        reason="kernel arguments",
    )
    host.reboots = host.may_reboot and wanted.live_differs()
    yield wanted


def _skipped(host: HostContext) -> str | None:
    """Why this machine's kernel takes no arguments of ours."""
    if host.facts.virtualization == CONTAINER:
        return "a container, whose kernel is the host's"
    boot = host.facts.boot
    return boot.why if boot and boot.loader == "none" else None
