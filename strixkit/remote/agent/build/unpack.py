"""A build that was made on another box: nothing of it is believed before it is checked here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tarfile
import time
from typing import Any, Dict

from strixkit.remote.agent import hashes, paths
from strixkit.remote.agent.build import collect, folders, libraries, place, verify
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.report import Report

Step = Dict[str, Any]
RECORD_BYTES = 4 << 20
MOST_NUMBER = 1e9
BROKEN = (tarfile.TarError, LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
BUILT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def unpack_build(step: Step, report: Report) -> None:
    """Step: unpack the pack at `path` (or its upload, which is thrown away then), check it as `spec` says, place it.

    host: where it was built, as the inventory has it; what the pack itself says of that is not believed.
    Reports unpack, verify, place. Raises BuildError.
    """
    spec, path, sha256 = step["spec"], str(step["path"]), str(step["sha256"])
    upload = paths.partial(path, sha256)
    source = upload if os.path.exists(upload) else path
    report("unpack")
    found = hashes.compute(source, report)
    if found != sha256:
        os.unlink(source)
        raise BuildError("the pack of %s has sha256 %s, wanted %s; thrown away" % (spec["id"], found, sha256))
    folder = folders.begin(spec["id"])
    record = unpack(source, folder, spec)
    collect.check_links(folder, sorted(record["files"]))
    libraries.check(folder)
    verified = verify.verify(spec, folder, report)
    place.place(spec, folder, verified, report, made_there(record, str(step["host"])))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(source)


def made_there(record: "Dict[str, Any]", host: str) -> "Dict[str, Any]":
    """Pure: what is taken over of another box's build.json. What is no time, number or name there is left out."""
    built, now = str(record.get("built", "")), time.strftime(place.TIME, time.gmtime())
    made: "Dict[str, Any]" = {"host": host, "pushed_from": host}
    if BUILT.fullmatch(built) and built <= now:  # the newest that fits is used, so none is of tomorrow
        made["built"] = built
    for name in ("seconds", "jobs"):
        value = record.get(name)
        if isinstance(value, (int, float)) and 0 <= value < MOST_NUMBER:
            made[name] = value
    return made


def unpack(source: str, folder: str, spec: "Dict[str, Any]") -> "Dict[str, Any]":
    """Fill an empty folder from a pack; returns its build.json, which is left out. Raises BuildError."""
    try:
        with tarfile.open(source, "r:") as archive:
            record = _record(archive, spec)
            left = dict(record["files"])
            room = collect.MOST_BYTES
            for entry in archive:
                if entry.name == folders.RECORD:
                    continue
                wanted = left.pop(entry.name, None)
                if wanted is None:
                    raise BuildError("the pack has %r, which its build.json does not name once" % entry.name[:200])
                room -= entry.size
                if room < 0:
                    raise BuildError("the pack is larger than %d MiB" % (collect.MOST_BYTES >> 20))
                _put(archive, entry, folder, wanted)
    except OSError as error:
        raise BuildError("the pack of %s cannot be unpacked: %s" % (spec["id"], error)) from error
    except BROKEN as error:
        raise BuildError("the pack of %s is broken: %s" % (spec["id"], error)) from error
    if left:
        raise BuildError("the pack lacks %s" % ", ".join(sorted(left)[:5]))
    return record


def _record(archive: tarfile.TarFile, spec: "Dict[str, Any]") -> "Dict[str, Any]":
    """build.json, the first member."""
    entry = archive.next()
    handle = archive.extractfile(entry) if entry and entry.name == folders.RECORD and entry.isreg() else None
    if handle is None:
        raise BuildError("the pack does not begin with %s" % folders.RECORD)
    record: "Dict[str, Any]" = json.loads(handle.read(RECORD_BYTES))
    here, there = spec["inputs"]["base"], record["inputs"]["base"]
    if here != there:
        names = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
        text = ", ".join("%s %s (here %s)" % (name, there.get(name), here.get(name)) for name in names)
        raise BuildError("the build was made for another kind of box: %s; next: build it on this one" % text)
    if record["id"] != spec["id"]:
        raise BuildError("the pack holds build %s, wanted %s" % (str(record["id"])[:200], spec["id"]))
    if len(record["files"]) > collect.MOST_FILES:
        raise BuildError("the pack has %d files, at most %d are taken" % (len(record["files"]), collect.MOST_FILES))
    missing = [name for name in spec["programs"] if name not in record["files"]]
    if missing:
        raise BuildError("the pack lacks %s" % ", ".join(missing))
    return record


def _put(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: str, wanted: "Dict[str, Any]") -> None:
    """Write one member as build.json says it is."""
    name = entry.name
    if "/" in name or name in (".", "..") or not (entry.isreg() or entry.issym()):
        raise BuildError("the pack has %r, which is no file beside the others" % name[:200])
    path = os.path.join(folder, name)
    if entry.issym() or wanted["link"]:
        if entry.linkname != wanted["link"]:
            raise BuildError("%s is a link to %r, wanted %r" % (name, entry.linkname[:200], wanted["link"]))
        os.symlink(entry.linkname, path)  # where it leads is checked when all are there
        return
    handle = archive.extractfile(entry)
    if handle is None:
        raise BuildError("%s has no content" % name)
    with open(path, "xb") as copy:
        shutil.copyfileobj(handle, copy, collect.CHUNK)
    os.chmod(path, 0o755)
    os.utime(path, ns=(int(wanted["mtime_ns"]), int(wanted["mtime_ns"])))
    found = hashes.compute(path, lambda text: None)
    if found != wanted["sha256"]:
        raise BuildError("%s has sha256 %s, wanted %s" % (name, found, wanted["sha256"]))
