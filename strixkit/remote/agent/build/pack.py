"""A finished build as one file, for other boxes: the same build gives the same bytes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import tarfile
from typing import Any, Dict

from strixkit.remote.agent import atomic, hashes, paths
from strixkit.remote.agent.build import folders, question
from strixkit.remote.agent.build.errors import BuildError

PIECE = 4 << 20  # bytes of one answer, before base64


def pack(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """A piece of the build `id` from byte `offset` on: `size` and `sha256` of the whole, and `data` in base64.

    Nothing comes from behind the end: who has more than that has another pack, and sees it by `size`.

    Raises BuildError when there is no such build, or its files are not those that were built.
    """
    build, offset = folders.checked(request["id"]), max(0, int(request["offset"]))
    path = os.path.join(paths.PACKS, build + ".tar")
    known = _ready(build, path)
    with open(path, "rb") as handle:
        handle.seek(offset)
        data = handle.read(PIECE)
    return {"size": known["size"], "sha256": known["sha256"], "offset": offset, "data": base64.b64encode(data).decode()}


def _ready(build: str, path: str) -> "Dict[str, Any]":
    """Make the pack unless it is there for exactly this build; packs of others go, they are large."""
    folder = folders.finished(build)
    record = atomic.read_text(os.path.join(folder, folders.RECORD), 1 << 24) or ""
    stamp = hashlib.sha256(record.encode()).hexdigest()
    known = atomic.read_json(path + ".json")
    if isinstance(known, dict) and known.get("stamp") == stamp and _size(path) == known.get("size"):
        return known
    faults = question.look(folder)
    if faults is None or faults:
        raise BuildError("build %s cannot be packed: %s" % (build, "; ".join(faults or ["it is not on this box"])))
    os.makedirs(paths.PACKS, mode=0o755, exist_ok=True)
    for left in os.listdir(paths.PACKS):
        os.unlink(os.path.join(paths.PACKS, left))
    half = path + ".half"
    _write(folder, half)
    size, sha256 = os.path.getsize(half), hashes.compute(half, lambda text: None)
    os.rename(half, path)
    made = {"stamp": stamp, "size": size, "sha256": sha256}
    atomic.write_json(path + ".json", made)
    return made


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def _write(folder: str, half: str) -> None:
    """Sorted, root's, build.json first. Raises BuildError for a file that is not what was built."""
    files: "Dict[str, Any]" = (question.read_record(folder) or {})["files"]
    with tarfile.open(half, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in [folders.RECORD, *sorted(files)]:
            path = os.path.join(folder, name)
            entry = tarfile.TarInfo(name)
            info = os.lstat(path)
            entry.mtime, entry.mode = int(info.st_mtime), 0o755
            if name != folders.RECORD and files[name]["link"]:
                entry.type, entry.linkname = tarfile.SYMTYPE, files[name]["link"]
                archive.addfile(entry)
                continue
            if name != folders.RECORD and hashes.compute(path, lambda text: None) != files[name]["sha256"]:
                raise BuildError("%s of the build is not what was built: its sha256 differs" % name)
            entry.size = info.st_size
            with open(path, "rb") as handle:
                archive.addfile(entry, handle)


def forget(build: str) -> None:
    """Remove the pack of a build."""
    for name in (build + ".tar", build + ".tar.json", build + ".tar.half"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(paths.PACKS, name))
