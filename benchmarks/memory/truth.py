"""What a server itself says of its memory: the unmodified binary, rehearsed or for real, and its log."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.memory.cases import Case
from benchmarks.memory.peers import Estimate, FitParams
from strixkit.errors import InputError
from strixkit.planner.run import CacheTypes, Family
from strixkit.rehearsal import build, server
from strixkit.rehearsal.arguments import rehearsal_arguments, rehearsal_environment
from strixkit.rehearsal.local import NO_LIMIT_MIB, LocalRuntime, rehearse
from strixkit.rehearsal.sources import sources
from strixkit.runtime.buffers import parse_log

Method = Literal["rehearsal", "real"]
FAMILIES: Mapping[str, Family] = {"rocmfp4": "rocmfp4", "upstream": "upstream"}
# Before each line of a server's log.
CLOCK = re.compile(r"^[0-9.]+ [A-Z] ")
# What the rehearsal device says when it ends (native/rehearsal/entry.c).
PEAK = re.compile(r"rehearsal: at most ([0-9.]+) MiB of device memory")
# With a prompt of 20,000 tokens on a CPU that others use as well.
SECONDS = 400


@dataclass(frozen=True)
class Runtime:
    """A llama-server: a name for the tables, whose formulas it has, where it is, and its ggml's headers."""

    name: str
    family: Family
    binary: str
    include: str
    chroot: str = ""

    @classmethod
    def of(cls, words: str) -> Runtime:
        """Read `NAME=FAMILY,BINARY,INCLUDE[,CHROOT]`. Raises InputError."""
        name, _, rest = words.partition("=")
        fields = rest.split(",")
        if not name or len(fields) not in (3, 4) or fields[0] not in FAMILIES:
            raise InputError(
                f"--runtime: found {words!r}, wanted NAME=FAMILY,BINARY,INCLUDE[,CHROOT]",
                hint=f"FAMILY is one of {', '.join(FAMILIES)}",
            )
        family, *paths = fields
        return cls(name, FAMILIES[family], *paths)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words before each command."""
        return ("chroot", self.chroot) if self.chroot else ()

    @property
    def local(self) -> LocalRuntime:
        """The same for a rehearsal."""
        return LocalRuntime(self.binary, (self.include,), self.prefix)

    @cached_property
    def version(self) -> str:
        """What it says of itself, in a line."""
        done = subprocess.run(
            [*self.prefix, self.binary, "--version"], check=False, capture_output=True, text=True, timeout=60
        )
        return next((line for line in (done.stdout + done.stderr).splitlines() if "version" in line), "unknown")

    def fit(self, folder: Path, device: str) -> FitParams | None:
        """Its llama-fit-params on the rehearsal device, if it lies beside the server."""
        program = str(Path(self.binary).with_name("llama-fit-params"))
        if not Path(self.chroot + program).exists():
            return None
        compiled = build.compile_device(sources(), (self.include,), str(folder), self.prefix)
        environment = rehearsal_environment(_environment(), compiled, device, NO_LIMIT_MIB, NO_LIMIT_MIB)
        return FitParams((*self.prefix, program), device, environment)


class Logged(BaseModel):
    """A size in MiB when the server was ready, and at most; that many rounded lines of the log were added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mib: float
    largest: float
    lines: int


class State(BaseModel):
    """Something saved after so many tokens, in MiB: a context checkpoint, or a prompt in the prompt cache."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int
    mib: float


class Truth(BaseModel):
    """One run of a server.

    device: by the server's name of it, or "CPU". failure: empty, or why there is less. peak_mib: the most device
    memory that was taken at once, where the device tells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: Case
    method: Method
    runtime: str
    version: str
    family: Family
    device: str
    failure: str
    ready: bool
    offloaded: tuple[int, int] | None
    sizes: dict[str, Logged]
    checkpoints: tuple[State, ...]
    prompts: tuple[State, ...]
    peak_mib: float | None = None
    peers: dict[str, Estimate | None] = {}

    @property
    def offered(self) -> bool:
        """Whether a plan may choose it (strixkit/planner/proven.py)."""
        return not (self.device.startswith("ROCm") and CacheTypes.of(self.case.settings.kv).mixed)

    @property
    def ground(self) -> str:
        """Where it comes from, in a few words."""
        return ground(self.method, self.runtime, self.device)


def ground(method: Method, runtime: str, device: str) -> str:
    """The name of a ground of truth."""
    return f"{method} {runtime} {device}"


def rehearsed(runtime: Runtime, case: Case, device: str, model: Path, port: int) -> Truth:
    """The server on the rehearsal device. Raises RehearsalError if there is none."""
    outcome = rehearse(
        runtime.local,
        case.settings.words(runtime.family, device),
        model,
        model.parent,
        device=device,
        prompts=case.settings.prompts,
        port=port,
        seconds=SECONDS,
    )
    return _truth(runtime, case, "rehearsal", device, outcome)


def real(runtime: Runtime, case: Case, device: str, model: Path, port: int) -> Truth:
    """The server on a device that computes; "CPU" for none. The first Vulkan device is the one that is seen."""
    words = rehearsal_arguments(case.settings.words(runtime.family, device), str(model), port)
    environment = {**_environment(), "GGML_VK_VISIBLE_DEVICES": "0", "LLAMA_ARG_LOAD_MODE": "mmap"}
    command = [*runtime.prefix, runtime.binary, *words]
    with tempfile.TemporaryDirectory() as work:
        outcome = server.run(command, environment, f"{work}/log", port, prompts=case.settings.prompts, seconds=SECONDS)
    return _truth(runtime, case, "real", device, outcome)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": "/"}


def _truth(runtime: Runtime, case: Case, method: Method, device: str, outcome: server.Outcome) -> Truth:
    log = parse_log(outcome.log)
    peak = PEAK.search(outcome.log)
    return Truth(
        case=case,
        method=method,
        runtime=runtime.name,
        version=runtime.version,
        family=runtime.family,
        device=device,
        failure=_failure(outcome),
        ready=outcome.ready,
        offloaded=log.offloaded,
        sizes={key: Logged(**size._asdict()) for key, size in log.sizes().items()} if outcome.ready else {},
        checkpoints=tuple(State(tokens=point.tokens, mib=point.mib) for point in log.checkpoints),
        prompts=tuple(State(tokens=prompt.tokens, mib=prompt.mib) for prompt in log.prompts),
        peak_mib=float(peak[1]) if peak else None,
    )


def _failure(outcome: server.Outcome) -> str:
    """Why, with what the server said first of an error, without its clock."""
    if not outcome.failure:
        return ""
    said = [line.strip() for line in outcome.log.splitlines() if "error" in line.lower() or "assert" in line.lower()]
    return f"{outcome.failure}: {CLOCK.sub('', said[0])[:300]}" if said else outcome.failure
