"""What is known of a host. Filled by the agent's answer, by a saved file, or by captured values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MOST_BYTES = 1 << 50  # no box has a pebibyte: a larger number is no answer that could be planned with
GIB = 1 << 30
DIMM_GIB = (32, 64, 96, 128)  # what Strix Halo is sold with: the memory is soldered


class Answered(BaseModel):
    """Base of remote answers: unknown keys are ignored, so that an older controller reads a newer agent."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Os(Answered):
    """From /etc/os-release."""

    id: str
    version_id: str = ""
    codename: str = ""
    name: str = ""


class Memory(Answered):
    """From /proc/meminfo, in bytes."""

    total_bytes: int = Field(ge=0, le=MOST_BYTES)
    available_bytes: int = Field(ge=0, le=MOST_BYTES)
    swap_total_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)


class Gpu(Answered):
    """The amdgpu card, from /sys/class/drm/card*/device, in bytes."""

    name: str = ""
    pci_id: str = ""
    gfx: str = ""
    vram_total_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    gtt_total_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    gtt_used_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    busy_percent: int | None = Field(default=None, description="gpu_busy_percent; None: not readable")
    performance_level: str = Field(default="", description="power_dpm_force_performance_level, e.g. auto")
    carveout: str = Field(default="", description="uma/carveout; empty where the kernel or the BIOS has no such file")
    carveout_options: tuple[str, ...] = Field(default=(), description="lines of uma/carveout_options")


class KfdNode(Answered):
    """A node of /sys/class/kfd/kfd/topology/nodes that is a GPU. None: the kernel does not write that line."""

    gfx_target_version: int = Field(description="110501 is gfx1151")
    cwsr_size: int | None = None
    ctl_stack_size: int | None = None


class Setting(Answered):
    """A variable that a file sets for everybody, e.g. HSA_OVERRIDE_GFX_VERSION in /etc/environment."""

    path: str
    name: str
    value: str


class GpuUser(Answered):
    """A process that has the GPU open."""

    pid: int
    command: str
    device: str


class Facts(Answered):
    """One host, observed once. An empty text or None: the box does not say."""

    hostname: str
    os: Os
    kernel: str = Field(default="", description="release, as uname -r prints it")
    architecture: str = ""
    init: str = Field(default="", description="name of PID 1, e.g. systemd")
    virtualization: str = Field(default="", description="container, vm, or empty for a machine of its own")
    python: str = ""
    sudo: str = Field(default="", description="first line of sudo --version")
    cores: int = Field(default=1, ge=1, description="physical CPU cores")
    memory: Memory
    gpu: Gpu | None = None
    boot_id: str = ""
    cmdline: str = Field(default="", description="/proc/cmdline: the kernel arguments that are live")
    module_parameters: dict[str, str] = Field(
        default_factory=dict, description="live, from /sys/module, e.g. ttm.pages_limit (pages of 4 KiB)"
    )
    modules: tuple[str, ...] = Field(default=(), description="of ttm, amdttm, amdgpu, amdxdna: those that are loaded")
    amdgpu_module: str = Field(default="", description="file of the amdgpu module for the running kernel")
    kfd: tuple[KfdNode, ...] = ()
    iommu_groups: int | None = Field(default=None, description="0: the IOMMU is off; None: not readable")
    accelerators: tuple[str, ...] = Field(default=(), description="names in /dev/accel: the NPU")
    icd_files: tuple[str, ...] = Field(default=(), description="Vulkan drivers: paths of their JSON files")
    settings: tuple[Setting, ...] = Field(default=(), description="GPU variables that files set for everybody")
    gpu_users: tuple[GpuUser, ...] = ()
    packages: dict[str, str] = Field(
        default_factory=dict, description="installed versions of those of kernel, firmware, Mesa, ROCm, tuned, sudo"
    )
    rocm: dict[str, str] = Field(default_factory=dict, description="folder of a ROCm, e.g. /opt/rocm-7.2.4 -> version")
    package_manager: str = ""
    free_bytes: dict[str, int] = Field(default_factory=dict, description="path -> free bytes of its file system")
    simulated: tuple[str, ...] = Field(
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
