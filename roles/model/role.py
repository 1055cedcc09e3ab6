"""The model files that the services need."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host.context import HostContext, ModelFile
from strixkit.host.origin import Origin
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.download import FETCHER, INCOMING, Download
from strixkit.resources.product import MADE
from strixkit.resources.user import User

WHY_USER = "files are fetched by a user of their own: what the network sends is not root's"


def resources(host: HostContext) -> Iterator[Resource]:
    """Each file once, whatever number of services uses it."""
    if host.reboots:
        return  # the role `server` says that it waits
    fetched = [file for file in host.files if file.origin is not None]
    if fetched:
        yield User(name=FETCHER, home=INCOMING, reason=WHY_USER)
        yield Directory(path=INCOMING, reason="files that are on their way, each in a folder of its own")
    for file in host.files:
        if file.unlocked and (file.missing or not file.identity):
            _unlocked(host, file)
        elif file.origin is not None:
            yield from _fetched(host, file, file.origin)
        elif file.missing:
            host.lack(f"model {file.name}: {file.path} is not on the box", _next(host, file))
        else:
            yield Artifact(path=file.path, sha256=file.sha256, size=file.size, source=file.source, reason=_reason(file))
            if file.sha256 is None and not file.provenance:
                host.notes.append(f"{file.path}: no sha256 is recorded for it, so its content is not checked")


def _reason(file: ModelFile) -> str:
    return f"model {file.name}, variant {file.variant}"


def _next(host: HostContext, file: ModelFile) -> str:
    """How a file comes to the box that nobody sends or fetches."""
    if file.path.startswith(f"{MADE}/") and file.model.recipe and file.variant in file.model.recipe.variants:
        return f"invoke quantize --host {host.host.name} --model {file.name} --variant {file.variant}"
    return f"copy {file.entry.file} there, or name another source in inventory.yaml"


def _fetched(host: HostContext, file: ModelFile, origin: Origin) -> Iterator[Resource]:
    """A run on several boxes fetches together, when everything else is there."""
    if file.missing and host.pull_later:
        host.later.append(f"{file.path} is fetched from {origin.text}")
        return
    assert file.sha256 is not None
    assert file.size is not None
    yield Download(
        path=file.path,
        sha256=file.sha256,
        size=file.size,
        url=origin.url,
        token=origin.token,
        origin=origin.text,
        part=host.parts.get(file.path),
        reason=_reason(file),
    )


def _unlocked(host: HostContext, file: ModelFile) -> None:
    """A preview goes on with the shape that the catalogue has."""
    what = f"model {file.name}: {file.entry.file} is not locked, so nobody knows which file it is"
    hint = f"invoke lock --only {file.name}"
    if file.missing:
        host.lack(what, f"{hint}; or put a file at {file.path} on the box")
    else:
        host.notes.append(f"{what}; next: {hint}")
