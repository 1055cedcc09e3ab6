"""The values that a role reads. Roles do no I/O: all that they need is here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strixkit.config.catalogue import Model, Variant
from strixkit.config.distributions import Distribution
from strixkit.config.host import Host, Service
from strixkit.config.runtimes import GitRuntime, Runtime
from strixkit.host.builds import SourceState
from strixkit.host.origin import Origin
from strixkit.host.sharing import Held, Share
from strixkit.planner.choice import MemoryPlan
from strixkit.planner.facts import Facts
from strixkit.planner.profile import Profile
from strixkit.resources.download import Part
from strixkit.resources.kernel_arguments import Argument
from strixkit.runtime.help import Capabilities

if TYPE_CHECKING:
    from strixkit.host.making import Making

USER = "llama"
STATE = "/var/lib/strixkit"
LIBRARY = "/usr/local/lib/strixkit"
CREDENTIALS = "/etc/strixkit/credentials"
MODELS = f"{STATE}/models"
ROCM = "ROCm"  # ggml's name of HIP's devices is this and a number
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class RuntimeState:
    """A build of llama.cpp on this host: what the catalogue says, and what its binary answered.

    binary: path of llama-server on the box. source: only where it is built from source.
    error: why a binary that is there could not be asked. rehearsal: why releases cannot be rehearsed with it; an empty
        text: they can; None: nobody asked. tools: those that were asked for and lie beside the binary.
    quantize_help: what its llama-quantize says of itself, when that was asked for.
    """

    name: str
    entry: Runtime
    binary: str = ""
    source: SourceState | None = None
    identity: str = ""
    version: str = ""
    capabilities: Capabilities | None = None
    recorded: bool = False
    error: str = ""
    rehearsal: str | None = None
    tools: tuple[str, ...] = ()
    quantize_help: str = ""

    @property
    def headers(self) -> tuple[str, ...]:
        """Folders on the box with the headers of its ggml."""
        if isinstance(self.entry, GitRuntime):
            return (self.binary.rpartition("/")[0],)
        return self.entry.headers

    @property
    def present(self) -> bool:
        """The binary is on the box and was asked."""
        return self.capabilities is not None and not self.recorded


def environment_of(runtime: RuntimeState, host: Host, device: str) -> dict[str, str]:
    """The environment of a server on `device` (e.g. ROCm0): the runtime's own, and what the host's inventory says."""
    backend = runtime.entry.environment_rocm if device.startswith(ROCM) else {}
    return {**runtime.entry.environment, **backend, **host.environment}


@dataclass(frozen=True)
class ModelFile:
    """A model of the catalogue as a file on this box. Sizes in bytes.

    source: a file on the controller that is sent. origin: where the box fetches it itself.
    identity: what tells this file on the box from another one at its path; empty when the box was not asked.
    missing: it is not on the box yet, and the controller has no file to send. unlocked: nobody can fetch it, since
    lock.yaml does not say which one it is. provenance: how it was made, if it was made on the box.
    """

    name: str
    variant: str
    model: Model
    entry: Variant
    path: str
    sha256: str | None
    size: int | None
    source: str | None
    origin: Origin | None = None
    identity: str = ""
    missing: bool = False
    unlocked: bool = False
    provenance: dict[str, Any] | None = None


@dataclass(frozen=True)
class ServiceState:
    """One llama-server that the host must have; `share` is None while the model is not known yet."""

    name: str
    service: Service
    profile_name: str
    profile: Profile
    file: ModelFile
    share: Share | None
    held: Held

    @property
    def plan(self) -> MemoryPlan | None:
        """The memory plan."""
        return self.share.plan if self.share else None

    def notes(self, host: str) -> Iterator[str]:
        """What a person should know of variant and plan, and the command that changes it; mostly nothing."""
        wish, file = self.profile.variant, self.file
        if wish and wish != file.variant:
            why = f"the inventory names {file.variant}" if self.service.variant else f"{file.name} has no such variant"
            yield f"service {self.name}: profile {self.profile_name} wishes variant {wish}, but {why}"
        if self.plan is None:
            return
        if self.plan.note:
            command = f": invoke deploy --host {host} --replan" if self.plan.fresh else ""
            yield f"service {self.name}: {self.plan.note}{command}"
        yield from (f"service {self.name}: {warning}" for warning in self.plan.warnings)

    @property
    def port(self) -> int:
        """TCP port."""
        return self.service.port or self.profile.server.port

    @property
    def listen(self) -> str:
        """Address that it listens on."""
        return self.service.listen or self.profile.server.host

    @property
    def has_key(self) -> bool:
        """A service that others can reach asks for a key."""
        return self.listen not in LOOPBACK


@dataclass
class HostContext:
    """One host. Roles may add notes, and say that they are not complete yet.

    arguments: kernel arguments that roles want; the role `kernel` makes one resource of them.
    may_reboot: the person has allowed a reboot (`--reboot`).
    reboots: set by the role `kernel`: this run will reboot the box, so what depends on live arguments waits.
    distribution: the release of the box; None where nothing is provisioned.
    files: of the services' models, each once.
    parts: path of a file -> this box's part of a download that several boxes make together.
    pull_later: what the box has to fetch is fetched after this run, by several boxes together.
    later: what waits for that.
    making: what `invoke quantize` is to make.
    lacks: what only a person can put on the box, and how; the rest of the wishes is made true all the same.
    """

    host: Host
    facts: Facts
    runtime: RuntimeState
    services: tuple[ServiceState, ...]
    arguments: list[Argument] = field(default_factory=list)
    may_reboot: bool = False
    reboots: bool = False
    distribution: Distribution | None = None
    files: tuple[ModelFile, ...] = ()
    parts: dict[str, Part] = field(default_factory=dict)
    pull_later: bool = False
    later: list[str] = field(default_factory=list)
    making: Making | None = None
    notes: list[str] = field(default_factory=list)
    complete: bool = True
    lacks: list[str] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)

    def lack(self, what: str, hint: str) -> None:
        """Say that a person must put something on the box before all wishes can be made true."""
        self.complete = False
        self.lacks.append(f"{what}\n  next: {hint}")

    def wait(self, why: str) -> None:
        """Say that a wish can only be known when the ones so far are true."""
        self.complete = False
        self.notes.append(why)
