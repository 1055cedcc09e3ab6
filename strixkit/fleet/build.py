"""`invoke build`: the runtime of a host, built there from the lock, and given to other hosts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strixkit.config.catalogue import load_runtime
from strixkit.config.host import Host
from strixkit.config.runtimes import GitRuntime
from strixkit.engine.converge import converge
from strixkit.engine.events import Emit, Event
from strixkit.engine.values import Job, Outcome
from strixkit.errors import InputError, RemoteError, StrixError
from strixkit.fleet.run import Report, each
from strixkit.fleet.verbs import Access, open_host, who
from strixkit.host import cache
from strixkit.host.builds import Packed
from strixkit.host.context import RuntimeState
from strixkit.host.describe import Description
from strixkit.resources.build import Pack

# What a build needs, and nothing that a service would notice.
ROLES = ("base", "rocm", "vulkan", "runtime")
ONCE_MORE = "the same command again"
MOST_BYTES = 8 << 30  # of a pack; the fork's is a few hundred MB


def build(host: Host, access: Access, emit: Emit, *, packed: Packed | None = None, hold_at: str = "") -> Outcome:
    """Make the build that the host is to have, or bring it there; no service is touched.

    Raises InputError for a runtime that is not built from source: what else it needs is a deploy's to bring.
    """
    runtime = load_runtime(host.runtime)
    if not isinstance(runtime, GitRuntime):
        raise InputError(
            f"runtime {host.runtime} has the provider {runtime.provider}: there is nothing to build",
            host=host.name,
            hint=f"invoke deploy --host {host.name}, or in inventory.yaml a strix_runtime of the provider git",
        )
    job = Job(who(), f"build of {host.runtime}", hold_at)
    with closing(open_host(host, access)) as session:
        return converge(session, Description(host, only=ROLES, packed=packed), job, emit)


def build_and_push(source: Host, targets: Sequence[Host], access: Access, emit: Emit) -> list[Report]:
    """Build on one host, and give the result to others of the same kind, which verify it instead of building.

    A target that wants another runtime, distribution, ROCm or CPU is refused; the others get theirs. Raises InputError.
    """
    targets = [host for host in targets if host.name != source.name]
    if not targets:
        raise InputError(f"--push names no host beside {source.name}, which builds", hint="--push NAME or a group")
    reports = each([source], lambda host: build(host, access, emit))
    if not reports[0].outcome.ok:
        return reports
    # As it was described before the build: what is there now is the wanted one.
    state: RuntimeState = reports[0].outcome.shown["runtime"]
    assert state.source is not None
    packed = Packed(state.source.build, state.source.inputs, _fetch(source, access, state.source.build, emit))

    def receive(host: Host) -> Outcome:
        if host.runtime != source.runtime:
            raise InputError(
                f"it is to have runtime {host.runtime}, and {source.name} has built {source.runtime}",
                host=host.name,
                hint="the same strix_runtime for both in inventory.yaml",
            )
        return build(host, access, emit, packed=packed)

    received = each(targets, receive)
    if all(report.outcome.ok for report in received):
        Path(packed.pack.path).unlink(missing_ok=True)  # otherwise it serves the next try
    return reports + received


def _fetch(host: Host, access: Access, name: str, emit: Emit) -> Pack:
    """The build as one file on this machine, named by its hash; a half one is continued. Raises StrixError."""
    with closing(open_host(host, access)) as session:
        # Nothing comes from behind the end but what the whole is: another build of this name has another hash.
        whole, _ = _piece(session.request("pack", id=name, offset=MOST_BYTES), host.name)
        path = cache.folder() / "builds" / f"{whole.sha256}.tar"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            offset = path.stat().st_size if path.exists() else 0
            while offset < whole.size:
                found, data = _piece(session.request("pack", id=name, offset=offset), host.name)
                if found != whole or not 0 < len(data) <= whole.size - offset:
                    raise RemoteError("the packed build became another one on its way", host=host.name, hint=ONCE_MORE)
                with path.open("ab") as handle:
                    handle.write(data)
                offset += len(data)
                emit(Event(host.name, "progress", f"packed build: {100 * offset // whole.size} %"))
            if _sha256(path) != whole.sha256:
                path.unlink()
                text = "the packed build arrived damaged and was thrown away"
                raise RemoteError(text, host=host.name, hint=ONCE_MORE)
        except OSError as error:
            raise StrixError(
                f"{path} cannot be written here: {error.strerror}", host=host.name, hint="make room, then once more"
            ) from error
    return Pack(path=str(path), sha256=whole.sha256, size=whole.size, host=host.name)


@dataclass(frozen=True)
class _Whole:
    """What a pack is as a whole. size in bytes."""

    size: int
    sha256: str


def _piece(answer: Any, host: str) -> tuple[_Whole, bytes]:
    try:
        whole = _Whole(int(answer["size"]), str(answer["sha256"]))
        data = base64.b64decode(answer["data"], validate=True)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RemoteError(f"its packed build makes no sense: {error!r}", host=host) from error
    if not (0 < whole.size <= MOST_BYTES and re.fullmatch(r"[0-9a-f]{64}", whole.sha256)):
        raise RemoteError(f"a packed build of {whole.size} bytes, sha256 {whole.sha256!r:.80}; refused", host=host)
    return whole, data


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
