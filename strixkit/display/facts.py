"""What boxes say of themselves, for people and as JSON. All texts are a box's own, so they are cleaned."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from strixkit.display.columns import columns
from strixkit.display.text import clean, one_line
from strixkit.fleet.facts import Known
from strixkit.planner.facts import GIB, Facts, KfdNode, dimm_gib

SHOWN = 2048  # characters of a value: a whole kernel command line of x86
PAGE = 4096  # bytes
SIMULATED = "SIMULATED"
KINDS = {"": "a machine of its own", "vm": "a virtual machine", "container": "a container: the host's kernel"}
FIRMWARE = ("linux-firmware", "firmware-amd-graphics", "amd-gpu-firmware")
MESA = ("mesa-vulkan-drivers",)

Row = tuple[str, str, tuple[str, ...]]  # label, value, dotted keys of the facts that it comes from


def lines(known: Sequence[Known]) -> list[str]:
    """A table of groups for each host, or why there is none."""
    found: list[str] = []
    for item in known:
        if item.facts is None:
            found.append(f"{item.host}  ERROR: {clean(item.error)}")
        else:
            found += [item.host, *_table(item.facts)]
        if item.saved is not None:
            path = shlex.quote(str(item.saved))
            found.append(f"{item.host}  saved; next: invoke plan --host {item.host} --facts {path}")
    return found


def document(known: Sequence[Known]) -> dict[str, Any]:
    """All of it for JSON. dimm_gib is inferred (see strixkit.planner.facts.dimm_gib)."""
    return {
        "hosts": [
            {
                "host": item.host,
                "ok": item.facts is not None,
                "error": item.error,
                "facts": item.facts.model_dump(mode="json") if item.facts else None,
                "dimm_gib": dimm_gib(item.facts) if item.facts else None,
                "saved": str(item.saved) if item.saved else "",
            }
            for item in known
        ]
    }


def _table(facts: Facts) -> Iterator[str]:
    groups = {
        "machine": _machine(facts),
        "memory": _memory(facts),
        "GPU": _gpu(facts),
        "kernel": _kernel(facts),
        "software": _software(facts),
    }
    rows = [(group, row) for group, found in groups.items() for row in found]
    cells = []
    for number, (group, (label, value, keys)) in enumerate(rows):
        first = number == 0 or rows[number - 1][0] != group
        mark = f"  {SIMULATED}" if _simulated(facts, keys) else ""
        cells.append(("", group if first else "", label, _short(value) + mark))
    yield from columns(cells)
    if facts.simulated:
        yield f"  {SIMULATED}: from /etc/strixkit/facts.d and not from the machine"


def _simulated(facts: Facts, keys: Sequence[str]) -> bool:
    """Whether one of the keys, a part of it or the whole that it belongs to came from a file."""
    pairs = ((key, name) for key in keys for name in facts.simulated)
    return any(f"{key}.".startswith(f"{name}.") or f"{name}.".startswith(f"{key}.") for key, name in pairs)


def _machine(facts: Facts) -> Iterator[Row]:
    release = " ".join(part for part in (facts.os.id, facts.os.version_id, facts.os.codename) if part)
    yield "host name", facts.hostname, ("hostname",)
    yield "system", f"{facts.os.name or facts.os.id} ({release}), {facts.package_manager or 'no apt or dnf'}", ("os",)
    yield "kind", KINDS.get(facts.virtualization, facts.virtualization), ("virtualization",)
    yield "processor", facts.cpu or "unknown", ("cpu",)
    yield "cores", f"{facts.cores}, {facts.architecture}", ("cores", "architecture")
    yield "init, Python", f"{facts.init or 'unknown'}, {facts.python}", ("init", "python")
    yield "sudo", facts.sudo or "not there", ("sudo",)
    yield "boot", facts.boot_id or "unknown", ("boot_id",)
    free = ", ".join(f"{_gib(size)} at {path}" for path, size in facts.free_bytes.items())
    yield "free disk space", free or "unknown", ("free_bytes",)


def _memory(facts: Facts) -> Iterator[Row]:
    memory, gpu = facts.memory, facts.gpu
    sum_of = ("memory.total_bytes", "gpu.vram_total_bytes")
    size = dimm_gib(facts)
    if size is not None:
        yield "soldered", f"{size} GiB, inferred from MemTotal and carve-out", sum_of
    else:
        yield "soldered", "unknown: " + ("no GPU is seen, so no carve-out" if gpu is None else "more than 128"), sum_of
    if gpu is not None:
        yield "carve-out", f"{_gib(gpu.vram_total_bytes)}, taken by the BIOS", ("gpu.vram_total_bytes",)
        if gpu.carveout_options:
            options = f"{gpu.carveout or 'unknown'} of {'; '.join(gpu.carveout_options)}"
            yield "carve-out option", options, ("gpu.carveout", "gpu.carveout_options")
    yield "MemTotal", _gib(memory.total_bytes), ("memory.total_bytes",)
    yield "available", _gib(memory.available_bytes), ("memory.available_bytes",)
    yield "swap", _gib(memory.swap_total_bytes), ("memory.swap_total_bytes",)
    if memory.huge_pages:
        yield "huge pages", str(memory.huge_pages), ("memory.huge_pages",)
    if gpu is not None:
        share = f"{100 * gpu.gtt_total_bytes / (memory.total_bytes or 1):.0f} % of MemTotal"
        keys = ("gpu.gtt_total_bytes", "memory.total_bytes")
        yield "GTT ceiling", f"{_gib(gpu.gtt_total_bytes)}, {share}", keys
        yield "GTT used", _gib(gpu.gtt_used_bytes), ("gpu.gtt_used_bytes",)
    for name in ("ttm.pages_limit", "amdttm.pages_limit"):
        if name in facts.module_parameters:
            yield name, f"{_pages(facts.module_parameters[name])}, live", (f"module_parameters.{name}",)


def _gpu(facts: Facts) -> Iterator[Row]:
    gpu = facts.gpu
    if gpu is None:
        yield "card", "no AMD card that a driver has taken", ("gpu",)
    else:
        yield "card", f"{gpu.name or 'AMD'} ({gpu.pci_id}) {gpu.gfx}".rstrip(), ("gpu.name", "gpu.pci_id", "gpu.gfx")
        busy = "unknown" if gpu.busy_percent is None else f"{gpu.busy_percent} %"
        yield "busy", f"{busy}, performance level {gpu.performance_level or 'unknown'}", ("gpu.busy_percent",)
    yield "KFD", "; ".join(map(_node, facts.kfd)) or "no node of a GPU: no ROCm", ("kfd",)
    devices = ", ".join(f"{item.path} {item.user}:{item.group} {item.mode}" for item in facts.devices)
    yield "device files", devices or "none", ("devices",)
    users = ", ".join(f"{user.command} ({user.pid}) {user.device}" for user in facts.gpu_users)
    yield "open in", users or "no process that can be seen", ("gpu_users",)
    yield "NPU", ", ".join(facts.accelerators) or "none", ("accelerators",)


def _node(node: KfdNode) -> str:
    sizes = ((name, getattr(node, name)) for name in ("cwsr_size", "ctl_stack_size"))
    words = ", ".join(f"{name} {'not told' if size is None else size}" for name, size in sizes)
    return f"{node.gfx_target_version}: {words}"


def _kernel(facts: Facts) -> Iterator[Row]:
    yield "release", facts.kernel or "unknown", ("kernel",)
    yield "arguments", facts.cmdline or "unknown", ("cmdline",)
    if facts.boot is not None:
        yield "boot loader", facts.boot.loader + (f": {facts.boot.why}" if facts.boot.why else ""), ("boot",)
    yield "modules", ", ".join(facts.modules) or "none of the GPU", ("modules",)
    yield "amdgpu", facts.amdgpu_module or "no such module for this kernel", ("amdgpu_module",)
    values = ", ".join(f"{name}={value}" for name, value in facts.module_parameters.items())
    yield "parameters", values or "none", ("module_parameters",)
    groups = facts.iommu_groups
    yield (
        "IOMMU",
        "unknown" if groups is None else f"{groups} groups" if groups else "no groups: off",
        ("iommu_groups",),
    )


def _software(facts: Facts) -> Iterator[Row]:
    yield "firmware", _versions(facts, FIRMWARE) or "none of its packages", ("packages",)
    yield "Mesa", _versions(facts, MESA) or "no Vulkan driver", ("packages",)
    yield "Vulkan drivers", ", ".join(facts.icd_files) or "none", ("icd_files",)
    rocm = ", ".join(f"{folder} {version}" for folder, version in facts.rocm.items())
    yield "ROCm of AMD", rocm or "none", ("rocm",)
    yield "C++ compiler", facts.compiler or "none", ("compiler",)
    others = [name for name in facts.packages if name not in FIRMWARE + MESA]
    yield "packages", _versions(facts, others) or "none of those looked for", ("packages",)
    if not facts.settings:
        yield "set for everybody", "no variable that changes the GPU", ("settings",)
    for item in facts.settings:
        yield "set for everybody", f"{item.name}={item.value} in {item.path}", ("settings",)


def _versions(facts: Facts, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {facts.packages[name]}" for name in names if name in facts.packages)


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"


def _pages(value: str) -> str:
    return f"{value} pages = {_gib(int(value) * PAGE)}" if value.isdecimal() and len(value) < 16 else value


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
