"""`invoke build`: the runtime of a host, built there from the lock, and given to other hosts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strixkit.config.host import Host
from strixkit.engine.converge import converge
from strixkit.engine.events import Emit, Event
from strixkit.engine.values import Job, Outcome
from strixkit.errors import InputError, RemoteError
from strixkit.fleet.run import Failure, Report, ask_each, each
from strixkit.fleet.verbs import Access, open_host, who
from strixkit.host import cache
from strixkit.host.builds import Packed
from strixkit.host.context import RuntimeState
from strixkit.host.describe import Description
from strixkit.resources.build import Pack

# What a build needs, and nothing that a service would notice.
ROLES = ("base", "rocm", "vulkan", "runtime")
UNIT = "strixkit-build-"
MOST_BYTES = 8 << 30  # of a pack; the fork's is a few hundred MB


def build(host: Host, access: Access, emit: Emit, *, packed: Packed | None = None, hold_at: str = "") -> Outcome:
    """Make the build that the host is to have, or bring it there; no service is touched."""
    job = Job(who(), f"build of {host.runtime}", hold_at)
    with closing(open_host(host, access)) as session:
        return converge(session, Description(host, only=ROLES, packed=packed), job, emit)


def build_and_push(source: Host, targets: Sequence[Host], access: Access, emit: Emit) -> list[Report]:
    """Build on one host, and give the result to others of the same kind, which verify it instead of building.

    A target that wants another runtime, distribution, ROCm or CPU is refused; the others get theirs.
    """
    reports = each([source], lambda host: build(host, access, emit))
    if not reports[0].outcome.ok:
        return reports
    state: RuntimeState = reports[0].outcome.shown["runtime"]
    if state.source is None or not state.present:
        raise InputError(f"runtime {state.name} is not built from source: there is nothing to push", host=source.name)
    packed = Packed(state.source.build, state.source.inputs, _fetch(source, access, state.source.build, emit))

    def receive(host: Host) -> Outcome:
        if host.runtime != source.runtime:
            raise InputError(
                f"it is to have runtime {host.runtime}, and {source.name} has built {source.runtime}",
                host=host.name,
                hint="the same strix_runtime for both in inventory.yaml",
            )
        return build(host, access, emit, packed=packed)

    return reports + each(targets, receive)


@dataclass(frozen=True)
class Cancelled:
    """What became of the build of a host; builds: ids of those that were ended."""

    host: str
    builds: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0


def cancel_each(hosts: Sequence[Host], access: Access) -> list[Cancelled]:
    """End the builds that run on hosts; what they have compiled is kept for the next ones."""

    def one(host: Host) -> tuple[str, ...]:
        with closing(open_host(host, access)) as session:
            answer = session.request("cancel", who=who())
        try:
            return tuple(str(name).removeprefix(UNIT).removesuffix(".service") for name in answer["units"])
        except (KeyError, TypeError) as error:
            raise RemoteError(f"the answer makes no sense: {answer!r:.200}", host=host.name) from error

    found = zip(hosts, ask_each(hosts, one), strict=True)
    return [
        Cancelled(host.name, error=item.text, exit_code=item.exit_code)
        if isinstance(item, Failure)
        else Cancelled(host.name, item)
        for host, item in found
    ]


def _fetch(host: Host, access: Access, name: str, emit: Emit) -> Pack:
    """The build as one file on this machine; a half one is continued. Raises RemoteError."""
    path = cache.folder() / "builds" / f"{name}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(open_host(host, access)) as session:
        offset = path.stat().st_size if path.exists() else 0
        while True:
            piece = session.request("pack", id=name, offset=offset)
            size, sha256, data = _piece(piece, host.name)
            if offset > size:
                offset = 0  # of another build of this name
                path.unlink()
                continue
            with path.open("ab") as handle:
                handle.write(data)
            offset += len(data)
            emit(Event(host.name, "progress", f"packed build: {100 * offset // size} %"))
            if offset == size:
                break
            if not data:
                raise RemoteError("the packed build ends before its end", host=host.name)
    if _sha256(path) != sha256:
        path.unlink()
        raise RemoteError("the packed build arrived damaged and was thrown away", host=host.name, hint="once more")
    return Pack(path=str(path), sha256=sha256, size=size, host=host.name)


def _piece(answer: Any, host: str) -> tuple[int, str, bytes]:
    try:
        size, sha256 = int(answer["size"]), str(answer["sha256"])
        data = base64.b64decode(answer["data"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteError(f"its packed build makes no sense: {error!r}", host=host) from error
    if not 0 < size <= MOST_BYTES:
        raise RemoteError(f"a packed build of {size} bytes; refused", host=host)
    return size, sha256, data


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
