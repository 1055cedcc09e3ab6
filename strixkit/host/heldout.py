"""The texts that models are judged on, as files of this machine, each known by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from strixkit.config.directories import PROJECT
from strixkit.config.evaluation import HeldOut
from strixkit.errors import InputError, StrixError
from strixkit.host import cache

HIDDEN = "."  # a checkout's own caches and virtual environments are no part of the project


@dataclass(frozen=True)
class Text:
    """A text. path: on this machine. size in bytes. origin: where it is from, for people."""

    name: str
    path: Path
    sha256: str
    size: int
    origin: str


def text(name: str, wish: HeldOut, project: Path = PROJECT) -> Text:
    """The text of this name. Raises InputError where there is none, StrixError where it cannot be kept."""
    if wish.project is not None:
        data, origin = joined(name, wish.project, project)
        return _kept(name, data, origin)
    assert wish.source is not None
    if wish.source.controller is None:
        raise InputError(
            f"text {name}: wanted `project:` or `source: controller:`, a file that this machine has",
            hint="fetch it to this machine, and name it there",
        )
    path = Path(wish.source.controller).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"text {name}: {path} cannot be read: {error.strerror}", hint="is it there?") from error
    found = Text(name, path, hashlib.sha256(data).hexdigest(), len(data), str(wish.source.controller))
    if wish.source.sha256 not in (None, found.sha256):
        raise InputError(f"text {name}: {path} has sha256 {found.sha256}, wanted {wish.source.sha256}")
    return found


def joined(name: str, patterns: tuple[str, ...], project: Path) -> tuple[bytes, str]:
    """The project's files that match, in the order of their paths, each ending with a line feed; and their number."""
    found = {path for pattern in patterns for path in project.glob(pattern) if _ours(path.relative_to(project))}
    files = sorted(path for path in found if path.is_file())
    if not files:
        raise InputError(
            f"text {name}: no file of {project} matches {', '.join(patterns)}",
            hint="run this in a checkout of the project",
        )
    parts = [path.read_bytes() for path in files]
    data = b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)
    return data, f"{len(files)} file{'s' if len(files) > 1 else ''} of this project"


def _ours(path: Path) -> bool:
    return not any(part.startswith(HIDDEN) for part in path.parts)


def _kept(name: str, data: bytes, origin: str) -> Text:
    """In the cache, under its hash: it is sent from there."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = cache.folder() / "texts" / f"{sha256}.txt"
    try:
        if not path.is_file() or path.stat().st_size != len(data):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_bytes(data)
            temporary.replace(path)
    except OSError as error:
        raise StrixError(
            f"{path} cannot be written here: {error.strerror}", hint="make room, then once more"
        ) from error
    return Text(name, path, sha256, len(data), origin)
