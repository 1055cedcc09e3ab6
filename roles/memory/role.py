"""How much of the machine's memory the GPU may use, and the kernel arguments that inference needs."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host import gtt
from strixkit.host.compatibility import numbers
from strixkit.host.context import HostContext
from strixkit.resources.base import Resource
from strixkit.resources.command_line import values
from strixkit.resources.kernel_arguments import Argument

PAGES_LIMIT = "ttm.pages_limit"
# GFX, compute, SDMA, video in ms. Newer kernels end a compute job after 2 s, and long prompts on Vulkan with it:
# vk::DeviceLostError (reported of 7.x: ggml-org/llama.cpp#25664; confirmed independently in #27076). 6.19 is the first
# (torvalds/linux@1bea57ea7544); those before it wait 10 s or 60 s, and nobody reported it of them.
LOCKUP_TIMEOUT = "10000,60000,10000,10000"
LOCKUP_KERNEL = (6, 19)

# What other guides set for the same purpose, why it is wrong, and what /sys/module says where nobody sets it.
STALE = (
    # docs.kernel.org/6.17/gpu/amdgpu/module-parameters.html: deprecated, default -1
    ("amdgpu.gttsize", "deprecated, and without effect on TTM: ttm.pages_limit alone decides", "-1"),
    # "amdgpu: unknown parameter 'gtt_size' ignored" (ROCm/legacy-rocm-build#5595)
    ("amdgpu.gtt_size", "no parameter of amdgpu: the kernel ignores it", None),
    # jeffgeerling.com, 2025: works only with a module of that name, which amdgpu-dkms brings
    ("amdttm.pages_limit", "for amdgpu-dkms alone: the kernel's own driver ignores it", None),
    ("amdttm.page_pool_size", "for amdgpu-dkms alone: the kernel's own driver ignores it", None),
)


def resources(host: HostContext) -> Iterator[Resource]:
    """No resource of its own: kernel arguments, and what a person should know of the memory."""
    if host.facts.gpu is None:
        host.notes.append("memory: no AMD GPU is seen, so no kernel argument is wished for it")
        return
    host.arguments += [*_gtt(host), _iommu(host), _lockup_timeout(host)]
    yield from ()


def _gtt(host: HostContext) -> Iterator[Argument]:
    facts = host.facts
    if note := gtt.carve_out_note(facts):
        host.notes.append(f"memory: {note}")
    gib = gtt.wished(facts, host.host.provisioning, host.host.name)
    if gib is None:
        yield Argument(name=PAGES_LIMIT, value=None, reason="strix_gtt_gib: default", released=True)
        return
    pages = str(gib * gtt.PAGES)
    reason = (
        f"GTT of {gib} GiB, in pages of 4 KiB: how much of the memory the GPU may use; Linux's default is half of it"
    )
    yield Argument(name=PAGES_LIMIT, value=pages, reason=reason)
    yield from (Argument(name=name, value=None, reason=why, unset=unset) for name, why, unset in STALE)
    booted = values(facts.cmdline, PAGES_LIMIT)[-1:] == [pages] and not values(facts.cmdline, "amdgpu.gttsize")
    if booted and (note := gtt.gtt_note(facts, gib)):
        host.notes.append(f"memory: {note}")


def _iommu(host: HostContext) -> Argument:
    """kyuz0/amd-strix-halo-toolboxes#66 has the measurement; `amd_iommu=pt` of other guides is no value of it."""
    if host.host.provisioning.iommu == "default":
        return Argument(name="amd_iommu", value=None, reason="strix_iommu: default", released=True)
    if host.facts.accelerators:
        devices = ", ".join(f"/dev/accel/{name}" for name in host.facts.accelerators)
        host.notes.append(f"memory: the NPU ({devices}) is gone with amd_iommu=off; strix_iommu: default keeps it")
    reason = "5 to 12 % faster prompts, 2 % faster tokens; no NPU, no VFIO, no DMA protection of USB4"
    return Argument(name="amd_iommu", value="off", reason=reason)


def _lockup_timeout(host: HostContext) -> Argument:
    wish = host.host.provisioning.lockup_timeout
    name = "amdgpu.lockup_timeout"
    if wish is not None and wish != "default":
        return Argument(name=name, value=wish, reason="strix_lockup_timeout")
    if wish == "default":
        return Argument(name=name, value=None, reason="strix_lockup_timeout: default", released=True)
    if numbers(host.facts.kernel) >= LOCKUP_KERNEL:
        reason = (
            "Linux 6.19 and newer reset the GPU after 2 s of compute, and Vulkan loses its device in long prompts; "
            "60 s as older ones had"
        )
        return Argument(name=name, value=LOCKUP_TIMEOUT, reason=reason)
    reason = f"Linux {host.facts.kernel or 'unknown'} is not known to end compute jobs after 2 s"
    return Argument(name=name, value=None, reason=reason, released=True)
