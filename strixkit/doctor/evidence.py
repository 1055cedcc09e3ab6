"""What the agent found for the doctor (remote/agent/examine.py). A box is not trusted: all of it is bounded.

Each section is checked on its own. One that makes no sense is as good as unread, and the checks that need it say so.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strixkit.planner.facts import Answered
from strixkit.planner.limits import MOST_BYTES, MOST_PROBE

MOST = 64  # entries of a list
Text = Annotated[str, Field(max_length=4096)]
Lines = Annotated[tuple[Text, ...], Field(max_length=MOST)]
Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]
Seconds = Annotated[int, Field(ge=0, le=1 << 40)]
NONSENSE = "the box's answer makes no sense"


class Option(Answered):
    """An option of a module in modprobe.d."""

    name: Text
    value: Text
    path: Text


class Boot(Answered):
    """What the boot loader has for the next boot, as remote/agent/boot answers it."""

    loader: Text
    why: Text = ""
    obstacle: Text = ""
    entries: Lines = ()
    text: Text | None = None
    modprobe: Annotated[tuple[Option, ...], Field(max_length=MOST)] = ()
    initramfs: Text = ""
    ours: dict[Text, Text | None] | None = None


class Initramfs(Answered):
    """When the running kernel's initramfs was written, the GPU's firmware installed: seconds since 1970; 0: unknown."""

    image: Text
    image_time: Seconds
    package: Text
    firmware_time: Seconds


class ServiceUser(Answered):
    """The user that the services run as. nodes: device -> whether that user may read and write it."""

    name: Text
    groups: Lines
    unit_groups: Lines = ()
    nodes: dict[Text, bool] = Field(default_factory=dict, max_length=MOST)
    why: Text = Field(default="", description="why the nodes were not tried")


class Unit(Answered):
    """A service's unit: what its process runs, or what the unit says while there is no process."""

    name: Text
    active: Text
    pid: int = Field(default=0, ge=0)
    user: Text
    groups: Lines = ()
    private_devices: bool = False
    device_policy: Text = ""
    device_allow: Lines = ()
    argv: tuple[Text, ...] = Field(default=(), max_length=1024)
    environment: dict[Text, Text] = Field(default_factory=dict, max_length=256)
    model_bytes: Bytes = 0
    missing_icds: Lines = ()


class Devices(Answered):
    """What a unit's binary said to --list-devices and --version. exit: None when it gave no answer."""

    unit: Text
    exit: int | None
    lines: Lines
    version: Lines = ()


class VulkanDevice(Answered):
    """A device of vulkaninfo's summary."""

    name: Text = ""
    type: Text = ""
    driver: Text = ""
    info: Text = ""


class Tuning(Answered):
    """Power profiles. verified: of tuned's active profile; None where tuned is not there."""

    tuned: bool
    profile: Text = ""
    verified: bool | None = None
    power_profile: Text = ""
    platform_profile: Text = ""


class Process(Answered):
    """A process; pid 0 stands for one that the asking user may not see. unit: the service that it belongs to."""

    pid: int = Field(ge=0)
    command: Text
    unit: Text = ""


class Listener(Process):
    """A process that listens on a TCP port."""

    port: int = Field(ge=0, le=65535)


class Policy(Answered):
    """An installed package of ROCm, with the repositories that have the installed version."""

    name: Text
    installed: Text
    candidate: Text = ""
    origins: Lines = ()


class Source(Answered):
    """A repository of AMD's in apt's sources."""

    path: Text
    uris: Text
    suites: Text
    signed_by: Text = ""
    trusted: Text = ""
    keys: Lines | None = Field(default=None, description="fingerprints in the key file; None: it cannot be read")


class Pin(Answered):
    """A pin of apt's preferences."""

    path: Text
    pin: Text
    priority: Text = ""


class Evidence(BaseModel):
    """All sections; None for one that was not read. `unread` says why, by the section's name."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    root: bool = False
    unread: dict[Text, Text] = Field(default_factory=dict)
    silent: Lines = Field(default=(), description="sections that gave no answer in time")
    boot: Boot | None = None
    kernel_log: Lines | None = Field(default=None, description="lines of this boot with a known signature")
    mes: Lines | None = Field(default=None, description="the loaded MES firmware, from debugfs")
    initramfs: Initramfs | None = None
    busy_percent: Annotated[tuple[int, ...], Field(max_length=MOST)] | None = None
    user: ServiceUser | None = None
    units: Annotated[tuple[Unit, ...], Field(max_length=MOST)] | None = None
    devices: Annotated[tuple[Devices, ...], Field(max_length=MOST)] | None = None
    unit_log: dict[Text, Lines] | None = None
    vulkan: Annotated[tuple[VulkanDevice, ...], Field(max_length=MOST)] | None = None
    probe: Annotated[str, Field(max_length=MOST_PROBE)] | None = Field(
        default=None, description="the file of strix-probe's results, as it is"
    )
    tuning: Tuning | None = None
    tools: dict[Text, bool] | None = None
    compiler: dict[Text, int] | None = None
    agents: Lines | None = Field(default=None, description="GPU names that rocminfo prints")
    sleepers: Annotated[tuple[Process, ...], Field(max_length=MOST)] | None = None
    listeners: Annotated[tuple[Listener, ...], Field(max_length=MOST)] | None = None
    policy: Annotated[tuple[Policy, ...], Field(max_length=MOST)] | None = None
    sources: Annotated[tuple[Source, ...], Field(max_length=MOST)] | None = None
    pins: Annotated[tuple[Pin, ...], Field(max_length=MOST)] | None = None

    def why_unread(self, section: str) -> str:
        """Why a section is None."""
        return self.unread.get(section, "the box's agent did not look")


def evidence_from(answer: Any) -> Evidence:
    """The evidence of an answer, each section checked on its own. Never raises."""
    answer = answer if isinstance(answer, dict) else {}
    sections: dict[str, Any] = {}
    nonsense: dict[str, str] = {}
    for name in Evidence.model_fields:
        if name in answer:
            try:
                sections[name] = getattr(Evidence.model_validate({name: answer[name]}), name)
            except ValidationError:
                nonsense[name] = NONSENSE
    return Evidence(**{**sections, "unread": {**sections.get("unread", {}), **nonsense}})
