"""Which file a service's model is: its place on the box, its hash, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from strixkit.config.catalogue import Model, Variant
from strixkit.config.host import Service
from strixkit.config.source import ModelSource
from strixkit.errors import InputError
from strixkit.host import cache
from strixkit.host.context import MODELS, ModelFile
from strixkit.host.origin import Origin, of_hub, of_url


@dataclass(frozen=True)
class Wanted:
    """A model of the catalogue that a person has named; variant None: its default one."""

    model: str
    variant: str | None = None


def model_file(host: str, service: Service, model: Model, variant: str, *, sent: Path | None = None) -> ModelFile:
    """The file of a service's model. sent: on the controller, instead of where it would be fetched. Raises InputError.

    A file that comes to the box by us has its hash in its name: another one never takes its place, so that a release
    that is kept can come back.
    """
    entry = model.variant(variant)
    source = service.source or model.source(entry)
    base = ModelFile(service.model, variant, model, entry, f"{MODELS}/{entry.file}", None, None, None)
    if source.box is not None:
        return _with(base, source, path=source.box)
    if source.controller is not None and sent is None:
        return _sent(host, base, source, Path(source.controller).expanduser())
    known = fetched(host, base, source)
    return _sent(host, known, source, _in(sent, known)) if sent is not None else known


def _in(sent: Path, file: ModelFile) -> Path:
    """The file itself, or of a folder the one that `pull --to` writes there, or the one with the catalogue's name."""
    if not sent.is_dir():
        return sent
    own = sent / PurePosixPath(file.path).name
    return own if own.exists() else sent / file.entry.file


def fetched(host: str, base: ModelFile, source: ModelSource) -> ModelFile:
    """A file that the box fetches itself, as far as lock or catalogue say which one it is. Raises InputError."""
    if source.hub is not None:
        found = of_hub(source.hub)
        if found is None:
            return _with(base, source, unlocked=True)
        return _fetched(base, *found)
    if source.url is None:
        return base  # a file of the controller's
    sha256, size = source.sha256 or base.entry.sha256, source.size_bytes or base.entry.size_bytes
    if sha256 is None or size is None:
        raise InputError(
            f"model {base.name}, variant {base.variant}: a file of a URL needs its sha256 and its size_bytes",
            host=host,
            hint="beside url: in the source, as its owner publishes them, or from sha256sum and stat -c %s",
        )
    return _fetched(base, of_url(source.url), sha256, size)


def _fetched(base: ModelFile, origin: Origin, sha256: str, size: int) -> ModelFile:
    path = f"{MODELS}/{named(base.entry, sha256)}"
    return ModelFile(base.name, base.variant, base.model, base.entry, path, sha256, size, None, origin)


def named(entry: Variant, sha256: str) -> str:
    """The name of the file on the box."""
    return f"{PurePosixPath(entry.file).stem}-{sha256[:12]}.gguf"


def _with(base: ModelFile, source: ModelSource, *, path: str = "", unlocked: bool = False) -> ModelFile:
    sha256, size = source.sha256 or base.entry.sha256, source.size_bytes or base.entry.size_bytes
    return ModelFile(
        base.name, base.variant, base.model, base.entry, path or base.path, sha256, size, None, unlocked=unlocked
    )


def _sent(host: str, base: ModelFile, source: ModelSource, local: Path) -> ModelFile:
    """A file of the controller's. Raises InputError when it is not there or not the wanted one."""
    if not local.is_file():
        hint = "invoke demo makes the tiny one" if base.name == "tiny" else "is the path right?"
        raise InputError(f"model file {local} is not on this machine", host=host, hint=hint)
    found = cache.sha256(local)
    wanted = source.sha256 or base.sha256 or base.entry.sha256
    if wanted is not None and found != wanted:
        raise InputError(f"model file {local} has sha256 {found}, wanted {wanted}", host=host)
    path = f"{MODELS}/{named(base.entry, found)}"
    return ModelFile(base.name, base.variant, base.model, base.entry, path, found, local.stat().st_size, str(local))
