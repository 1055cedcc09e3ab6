"""What is known of a host. Filled by the agent's answer, by a saved file, or by captured values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from strixkit.planner.limits import MOST_BYTES, MOST_ENTRIES, MOST_NAME, MOST_NUMBER, MOST_TEXT

GIB = 1 << 30
DIMM_GIB = (32, 64, 96, 128)  # what Strix Halo is sold with: the memory is soldered

Name = Annotated[str, Field(max_length=MOST_NAME)]
Text = Annotated[str, Field(max_length=MOST_TEXT)]
Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]
Count = Annotated[int, Field(ge=0, le=MOST_NUMBER)]
Names = Annotated[tuple[Name, ...], Field(max_length=MOST_ENTRIES)]
Table = Annotated[dict[Name, Name], Field(max_length=MOST_ENTRIES)]


class Answered(BaseModel):
    """Base of remote answers: unknown keys are ignored, so that an older controller reads a newer agent."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Os(Answered):
    """From /etc/os-release."""

    id: Name
    version_id: Name = ""
    codename: Name = ""
    name: Name = ""


class Memory(Answered):
    """From /proc/meminfo, in bytes."""

    total_bytes: Bytes
    available_bytes: Bytes
    swap_total_bytes: Bytes = 0
    huge_pages: Count = Field(default=0, description="HugePages_Total: above 0, ggml's HIP counts free ones only")


class Gpu(Answered):
    """The amdgpu card, from /sys/class/drm/card*/device, in bytes."""

    name: Name = ""
    pci_id: Name = ""
    gfx: Name = Field(default="", description="from its KFD node; empty where there is none")
    vram_total_bytes: Bytes = 0
    gtt_total_bytes: Bytes = 0
    gtt_used_bytes: Bytes = 0
    busy_percent: int | None = Field(default=None, ge=0, le=100, description="gpu_busy_percent; None: not readable")
    performance_level: Name = Field(default="", description="power_dpm_force_performance_level, e.g. auto")
    carveout: Name = Field(default="", description="uma/carveout; empty where the kernel or the BIOS has no such file")
    carveout_options: Names = Field(default=(), description="lines of uma/carveout_options")


class KfdNode(Answered):
    """A node of /sys/class/kfd/kfd/topology/nodes that is a GPU. None: the kernel does not write that line."""

    gfx_target_version: Count = Field(description="110501 is gfx1151")
    cwsr_size: Count | None = None
    ctl_stack_size: Count | None = None


class Device(Answered):
    """A file by which programs reach the GPU or the NPU, e.g. /dev/kfd, and who may."""

    path: Name
    user: Name
    group: Name
    mode: Name = Field(description="octal, e.g. 660")


class Boot(Answered):
    """What gives the kernel its arguments: grub, grubby or systemd-boot; none, and why."""

    loader: Name
    why: Name = ""


class Setting(Answered):
    """A variable that a file sets for everybody, e.g. HSA_OVERRIDE_GFX_VERSION in /etc/environment."""

    path: Name
    name: Name
    value: Name


class GpuUser(Answered):
    """A process that has the GPU open."""

    pid: Count
    command: Name
    device: Name


class Facts(Answered):
    """One host, observed once. An empty text or None: the box does not say."""

    hostname: Name
    os: Os
    kernel: Name = Field(default="", description="release, as uname -r prints it")
    architecture: Name = ""
    init: Name = Field(default="", description="name of PID 1, e.g. systemd")
    virtualization: Name = Field(default="", description="container, vm, or empty for a machine of its own")
    python: Name = ""
    sudo: Name = Field(default="", description="first line of sudo --version")
    cpu: Name = Field(default="", description="model name of /proc/cpuinfo, e.g. AMD RYZEN AI MAX+ 395 w/ Radeon 8060S")
    cores: int = Field(default=1, ge=1, le=1 << 16, description="physical CPU cores")
    memory: Memory
    gpu: Gpu | None = None
    boot_id: Name = ""
    cmdline: Text = Field(default="", description="/proc/cmdline: the kernel arguments that are live")
    boot: Boot | None = Field(default=None, description="the boot loader; None: nobody asked")
    module_parameters: Table = Field(
        default_factory=dict, description="live, from /sys/module, e.g. ttm.pages_limit (pages of 4 KiB)"
    )
    modules: Names = Field(default=(), description="of ttm, amdttm, amdgpu, amdxdna: those that are loaded")
    amdgpu_module: Name = Field(default="", description="file of the amdgpu module for the running kernel")
    kfd: tuple[KfdNode, ...] = Field(default=(), max_length=MOST_ENTRIES)
    iommu_groups: Count | None = Field(default=None, description="0: the IOMMU is off; None: not readable")
    accelerators: Names = Field(default=(), description="names in /dev/accel: the NPU")
    devices: tuple[Device, ...] = Field(default=(), max_length=MOST_ENTRIES)
    icd_files: Names = Field(default=(), description="Vulkan drivers: paths of their JSON files")
    settings: tuple[Setting, ...] = Field(
        default=(), max_length=MOST_ENTRIES, description="GPU variables that files set for everybody"
    )
    gpu_users: tuple[GpuUser, ...] = Field(default=(), max_length=MOST_ENTRIES)
    packages: Table = Field(
        default_factory=dict,
        description="installed versions of those of kernel, firmware, Mesa, ROCm, build tools, tuned, sudo",
    )
    rocm: Table = Field(default_factory=dict, description="folder of a ROCm, e.g. /opt/rocm-7.2.4 -> version")
    compiler: Name = Field(default="", description="the file that /usr/bin/c++ is a link to; empty: no C++ compiler")
    package_manager: Name = ""
    free_bytes: Annotated[dict[Name, Count], Field(max_length=MOST_ENTRIES)] = Field(
        default_factory=dict, description="path -> free bytes of its file system"
    )
    simulated: Names = Field(
        default=(), description="dotted keys that came from /etc/strixkit/facts.d and not from the machine"
    )


def dimm_gib(facts: Facts) -> int | None:
    """The soldered memory in GiB, inferred: Linux's MemTotal and the BIOS carve-out, rounded up to what is sold.

    128 GB boxes with a carve-out of 512 MiB, 64 GiB and 96 GiB add up to 125.6, 126 and 126 to 127 GiB: firmware and
    kernel keep the rest (MemTotal 131161644 kB was published of one; ROCm/legacy-rocm-build#5444 for 96 GiB).
    None: the carve-out is not known since no GPU is seen, or the sum is more than any of them has.
    """
    if facts.gpu is None:
        return None
    seen = (facts.memory.total_bytes + facts.gpu.vram_total_bytes) / GIB
    return next((size for size in DIMM_GIB if seen <= size), None)
