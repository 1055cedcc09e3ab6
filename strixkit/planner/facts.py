"""What is known of a host. Filled by the agent's answer, by a saved file, or by captured values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MOST_BYTES = 1 << 50  # no box has a pebibyte: a larger number is no answer that could be planned with


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


class Gpu(Answered):
    """The amdgpu card, from /sys/class/drm/card*/device, in bytes."""

    name: str = ""
    pci_id: str = ""
    gfx: str = ""
    vram_total_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    gtt_total_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)
    gtt_used_bytes: int = Field(default=0, ge=0, le=MOST_BYTES)


class Facts(Answered):
    """One host, observed once."""

    hostname: str
    os: Os
    kernel: str = ""
    architecture: str = ""
    init: str = Field(default="", description="name of PID 1, e.g. systemd")
    python: str = ""
    cores: int = Field(default=1, ge=1, description="physical CPU cores")
    memory: Memory
    gpu: Gpu | None = None
    boot_id: str = ""
    package_manager: str = ""
    free_bytes: dict[str, int] = Field(default_factory=dict, description="path -> free bytes of its file system")
    simulated: tuple[str, ...] = Field(
        default=(), description="dotted keys that came from /etc/strixkit/facts.d and not from the machine"
    )
