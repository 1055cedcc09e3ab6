"""The model files that the services need."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host.context import HostContext
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource


def resources(host: HostContext) -> Iterator[Resource]:
    """Each file once, whatever number of services uses it."""
    if host.reboots:
        return  # the role `server` says that it waits
    files = {service.file.path: service.file for service in host.services}
    for path, file in files.items():
        if file.missing:
            host.lack(
                f"model {file.name}: {path} is not on the box",
                f"copy {file.entry.file} there, or name another source in inventory.yaml",
            )
            continue
        yield Artifact(
            path=path,
            sha256=file.sha256,
            size=file.size,
            source=file.source,
            reason=f"model {file.name}, variant {file.variant}",
        )
        if file.sha256 is None:
            host.notes.append(f"{path}: no sha256 is recorded for it, so its content is not checked")
