"""Every case on every ground of truth: a server is started for each, one after the other."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

from benchmarks.memory.cases import Case
from benchmarks.memory.models import write_model
from benchmarks.memory.peers import FitParams, estimates
from benchmarks.memory.truth import Method, Runtime, Truth, ground, real, rehearsed
from strixkit.planner.gguf import Header, read_header
from strixkit.rehearsal.arguments import ADDRESS
from strixkit.rehearsal.errors import RehearsalError
from strixkit.rehearsal.server import free_port

DEVICES: dict[Method, tuple[str, ...]] = {"rehearsal": ("Vulkan0", "ROCm0"), "real": ("Vulkan0", "CPU")}


def header_of(model: Path) -> Header:
    """The header of a file."""
    with model.open("rb") as file:
        return read_header(file)


def check_port(port: int) -> None:
    """Make sure that no other server would answer in the place of ours. Raises RehearsalError."""
    with socket.socket() as probe:
        probe.settimeout(5)
        if probe.connect_ex((ADDRESS, port)) == 0:
            raise RehearsalError(f"port {port}: another server listens there; wanted one for the servers of the cases")


@dataclass
class Capture:
    """folder: for models and the compiled device; a chroot has it under the same path.

    port: 0 for any that is free. known: runs that are not wanted again, by case and ground of truth.
    real: names of the runtimes that also compute, for the small cases; all others are rehearsed by every runtime.
    """

    runtimes: Sequence[Runtime]
    real: Sequence[str]
    folder: Path
    port: int
    known: Collection[tuple[str, str]] = ()
    report: Callable[[str], None] = field(default=print)

    def truths(self, cases: Sequence[Case]) -> Iterator[Truth]:
        """Raises RehearsalError if a runtime cannot be rehearsed; a server that does not start is a truth as well."""
        for model, group in groupby(cases, key=lambda case: case.model):
            path = self.folder / "model.gguf"
            write_model(path, model)
            try:
                for case in group:
                    for runtime in self.runtimes:
                        yield from self._case(runtime, case, path)
            finally:
                path.unlink()

    def _case(self, runtime: Runtime, case: Case, model: Path) -> Iterator[Truth]:
        method: Method = "real" if case.group == "small" else "rehearsal"
        if not case.fits(runtime.family) or (method == "real" and runtime.name not in self.real):
            return
        for device in DEVICES[method]:
            if (case.name, ground(method, runtime.name, device)) in self.known:
                continue
            port = self.port or free_port()
            check_port(port)
            if method == "real":
                truth = real(runtime, case, device, model, port)
            else:
                truth = rehearsed(runtime, case, device, model, port)
                if truth.ready:
                    run = case.settings.run(runtime.family, device)
                    peers = estimates(header_of(model), model, run, self._fit[runtime.name, device])
                    truth = truth.model_copy(update={"peers": peers})
            self.report(f"{truth.ground}  {case.name}: {truth.failure or 'ok'}")
            yield truth

    @cached_property
    def _fit(self) -> dict[tuple[str, str], FitParams | None]:
        devices = DEVICES["rehearsal"]
        return {
            (runtime.name, device): runtime.fit(self.folder, device) for runtime in self.runtimes for device in devices
        }
