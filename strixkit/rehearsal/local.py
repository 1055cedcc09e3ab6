"""A rehearsal on this machine, for tests and benchmarks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strixkit.rehearsal import arguments, build, server
from strixkit.rehearsal.sources import sources

NO_LIMIT_MIB = 1 << 20


@dataclass(frozen=True)
class LocalRuntime:
    """A llama-server that runs here: its path, and the folders with its ggml's headers.

    prefix: words before each command, for a server in a chroot; all paths are then those inside of it, and the
    working folder has the same path inside and outside.
    """

    binary: str
    include: tuple[str, ...]
    prefix: tuple[str, ...] = ()


def rehearse(
    runtime: LocalRuntime,
    words: Sequence[str],
    model: str | Path,
    folder: Path,
    *,
    device: str = "Vulkan0",
    total_mib: int = NO_LIMIT_MIB,
    free_mib: int | None = None,
    settings: Mapping[str, str] | None = None,
    prompts: Sequence[int] = (),
    port: int = 0,
    seconds: float = 120,
) -> server.Outcome:
    """Run the server with the arguments `words` on the rehearsal device `device` and return what it logged.

    model: a header in a sparse file (`headers.write_sparse`, `model.hollow_copy`). folder: where the compiled device is
    kept, and the log while it runs. settings: more environment, as REHEARSAL_ALIGNMENT. prompts: lengths in tokens.
    Raises RehearsalError if no rehearsal is possible; what the server does is in the outcome.
    """
    compiled = build.compile_device(sources(), runtime.include, str(folder), runtime.prefix)
    base = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": "/"}
    free = total_mib if free_mib is None else free_mib
    environment = arguments.rehearsal_environment(base, compiled, device, total_mib, free) | dict(settings or {})
    program = [*runtime.prefix, runtime.binary]
    server.check_device(program, environment, device)
    port = port or server.free_port()
    command = [*program, *arguments.rehearsal_arguments(words, str(model), port)]
    with tempfile.TemporaryDirectory() as work:
        return server.run(command, environment, f"{work}/log", port, prompts=prompts, seconds=seconds)
