"""`invoke pull --to`: model files onto this machine (a stick, a disk), for boxes without internet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from strixkit.config.catalogue import load_model
from strixkit.config.host import Host, Service
from strixkit.engine.events import Emit, Event
from strixkit.errors import InputError, StrixError
from strixkit.fleet.pull import wanted_files
from strixkit.host.context import ModelFile
from strixkit.host.files import Wanted, model_file
from strixkit.remote.agent.fetch.local import fetch_file
from strixkit.sources.hub_token import token_for

HERE = "this machine"


def carry(hosts: Sequence[Host], wanted: Wanted | None, folder: Path, emit: Emit) -> list[Path]:
    """Fetch the files of the hosts' services, or the wanted one, into a folder; returns their paths there.

    A half file is continued; one that is there is read again and must be the wanted one. Raises StrixError.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder on this machine", hint=f"mkdir -p {folder}")
    return [_fetched(file, folder / PurePosixPath(file.path).name, emit) for file in _files(hosts, wanted)]


def _files(hosts: Sequence[Host], wanted: Wanted | None) -> list[ModelFile]:
    if wanted is None:
        found = [file for file, _ in wanted_files(hosts, None).values()]
    else:
        model = load_model(wanted.model)
        variant = model.wished(wanted.variant, None)
        found = [model_file(HERE, Service(profile="", model=wanted.model), model, variant)]
    for file in found:
        if file.origin is None:
            hint = f"invoke lock --only {file.name}" if file.unlocked else "it is not fetched from anywhere"
            raise InputError(f"model {file.name}, variant {file.variant}: nobody knows which file it is", hint=hint)
    if not found:
        raise InputError("no service of these hosts has a file that is fetched", hint="--model NAME names one")
    return found


def _fetched(file: ModelFile, path: Path, emit: Emit) -> Path:
    assert file.origin is not None
    assert file.sha256 is not None
    assert file.size is not None
    secret = token_for(file.origin.url) if file.origin.token else None
    try:
        fetch_file(
            file.origin.url,
            str(path),
            file.sha256,
            file.size,
            secret.reveal() if secret else "",
            lambda text: emit(Event(HERE, "progress", text, path.name)),
        )
    except (OSError, RuntimeError) as error:
        raise StrixError(f"{path}: {error}", host=HERE, hint="the same command again goes on with it") from error
    return path
