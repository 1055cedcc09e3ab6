"""What lies on the box of builds. Read-only."""

from __future__ import annotations

import glob
import os
import stat
from typing import Any, Dict, List, Optional

from strixkit.rehearsal import build as rehearsal
from strixkit.remote.agent import paths, probe
from strixkit.remote.agent.atomic import read_json
from strixkit.remote.agent.build import folders, unit, work

Record = Dict[str, Any]
MOST_FAULTS = 20
SERVER = "llama-server"


def build(question: "Dict[str, Any]") -> Record:
    """State of the build `id`: finished, damaged, running, partial or absent; with what is wrong with a damaged one.

    With `pack` and `sha256`, how many bytes of that upload have arrived.
    """
    name = folders.checked(question["id"])
    faults = look(folders.finished(name))
    if faults == []:
        return {"exists": True, "state": "finished", "faults": [], "partial_bytes": 0}
    begun = any(
        os.path.lexists(path)
        for path in (os.path.join(paths.BUILD_CACHE, "work", name), os.path.join(paths.BUILDS, folders.NEW + name))
    )
    if begun and unit.running(work.unit({"id": name})):
        state = "running"
    elif faults:
        state = "damaged"
    else:
        state = "partial" if begun else "absent"
    arrived = _arrived(str(question["pack"]), str(question["sha256"])) if question.get("pack") else 0
    return {"exists": faults is not None, "state": state, "faults": faults or [], "partial_bytes": arrived}


def _arrived(target: str, sha256: str) -> int:
    try:
        return os.path.getsize(paths.partial(target, sha256))
    except OSError:
        return 0


def look(folder: str) -> "Optional[List[str]]":
    """What is wrong with a finished folder, by size and modification time; None when there is none."""
    if not os.path.lexists(folder):
        return None
    record = read_record(folder)
    if record is None:
        return ["%s is missing or broken" % folders.RECORD]
    files: "Dict[str, Record]" = record["files"]
    faults = [
        "%s is no file of the build" % name for name in sorted(set(os.listdir(folder)) - {*files, folders.RECORD})
    ]
    for name, wanted in sorted(files.items()):
        fault = _differs(os.path.join(folder, name), wanted)
        if fault:
            faults.append("%s %s" % (name, fault))
    return faults[:MOST_FAULTS]


def _differs(path: str, wanted: Record) -> str:
    try:
        info = os.lstat(path)
        if wanted["link"]:
            target = os.readlink(path)
            return "" if target == wanted["link"] else "is a link to %s, wanted %s" % (target, wanted["link"])
    except OSError:
        return "is missing, or no link"
    if not stat.S_ISREG(info.st_mode):
        return "is no regular file"
    if info.st_size != wanted["size"]:
        return "has %d bytes, wanted %d" % (info.st_size, wanted["size"])
    return "" if info.st_mtime_ns == wanted["mtime_ns"] else "was changed after it was built"


def for_facts(names: "List[str]", known: "List[str]") -> "List[Record]":
    """Each finished build of these runtimes: build.json without its files, `folder`, `binary` as of probe.runtime."""
    answers: "List[Record]" = []
    for record in records(names):
        folder = os.path.join(paths.BUILDS, record["id"])
        answer = {name: value for name, value in record.items() if name != "files"}
        answer["folder"] = folder
        if SERVER in record["files"]:
            answer["binary"] = probe.runtime(os.path.join(folder, SERVER), known)
            answer["rehearsal"] = rehearsal.why_not([folder])  # its ggml's headers lie there too
        answers.append(answer)
    return answers


def read_record(folder: str) -> "Optional[Record]":
    """The folder's build.json; None when it is missing, broken, or that of another build."""
    record = read_json(os.path.join(folder, folders.RECORD))
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        return None
    return record if record.get("id") == os.path.basename(folder) else None


def builds(question: "Dict[str, Any]") -> Record:
    """`builds` of the runtime `name`, oldest first: {"id", "built", "used_by"}, releases as `service/release`."""
    by = users()
    found = [
        {"id": record["id"], "built": record["built"], "used_by": by.get(record["id"], [])}
        for record in records([str(question["name"])])
    ]
    return {"builds": sorted(found, key=lambda row: (row["built"], row["id"]))}


def records(names: "List[str]") -> "List[Record]":
    """build.json of every finished and whole build of these runtimes."""
    found: "List[Record]" = []
    for name in sorted(os.listdir(paths.BUILDS)) if os.path.isdir(paths.BUILDS) else []:
        folder = os.path.join(paths.BUILDS, name)
        record = None if name.startswith(".") else read_record(folder)
        if record is not None and record.get("name") in names and look(folder) == []:
            found.append(record)
    return found


def users() -> "Dict[str, List[str]]":
    """id of a build -> releases, current and kept ones, whose program lies in its folder."""
    found: "Dict[str, List[str]]" = {}
    for path in sorted(glob.glob(glob.escape(paths.SERVICES) + "/*/releases/*/manifest.json")):
        manifest = read_json(path)
        argv = manifest.get("argv") if isinstance(manifest, dict) else None
        if not isinstance(argv, list) or not argv:
            continue
        folder, build_id = os.path.split(os.path.dirname(str(argv[0])))
        if folder == paths.BUILDS:
            words = path.split("/")
            found.setdefault(build_id, []).append("%s/%s" % (words[-4], words[-2]))
    return found
