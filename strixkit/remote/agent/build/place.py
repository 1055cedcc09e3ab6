"""A build that was verified gets its record and its name; from then on nobody changes it."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any, Dict, Optional

from strixkit.remote.agent import atomic, hashes, paths
from strixkit.remote.agent.build import folders, question
from strixkit.remote.agent.report import Report

Record = Dict[str, Any]
TIME = "%Y-%m-%dT%H:%M:%SZ"


def place(
    spec: "Dict[str, Any]", folder: str, verified: "Dict[str, Any]", report: Report, made: "Optional[Record]" = None
) -> None:
    """Write build.json, give all to root, sync it, and rename `.new-<id>` to `<id>`. Reports the point `place`.

    made: {"seconds", "jobs", "pushed_from"} as far as they are known. A finished folder of that name stays as it is.
    """
    report("place")
    final = folders.finished(spec["id"])
    if question.look(final) == []:
        shutil.rmtree(folder)
        return
    record = describe(spec, folder, verified, made or {}, report)
    atomic.write_json(os.path.join(folder, folders.RECORD), record, 0o644)
    _settle(folder)
    old = os.path.join(paths.BUILDS, folders.OLD + folders.checked(spec["id"]))
    if os.path.lexists(final):  # damaged: who runs it has its files open
        os.rename(final, old)
    os.rename(folder, final)
    atomic.sync_directory(paths.BUILDS)
    shutil.rmtree(old, ignore_errors=True)


def describe(spec: "Dict[str, Any]", folder: str, verified: "Dict[str, Any]", made: Record, report: Report) -> Record:
    """What build.json holds."""
    source = dict(spec["source"])
    source.pop("archive", None)  # its sha256 says which one it was
    files: Dict[str, Record] = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        info = os.lstat(path)
        link = os.readlink(path) if os.path.islink(path) else ""
        files[name] = {
            "sha256": "" if link else hashes.compute(path, report),
            "size": info.st_size,
            "mtime_ns": 0 if link else info.st_mtime_ns,
            "link": link,
        }
    return {
        "id": spec["id"],
        "name": spec["name"],
        "programs": list(spec["programs"]),
        "source": source,
        "inputs": spec["inputs"],
        "files": files,
        "built": str(made.get("built", "")) or time.strftime(TIME, time.gmtime()),
        "seconds": made.get("seconds", 0),
        "jobs": made.get("jobs", 0),
        "host": str(made.get("host", "")) or os.uname().nodename,
        "verified": verified,
        "pushed_from": str(made.get("pushed_from", "")),
    }


def _settle(folder: str) -> None:
    """Root's, readable by all, and on the disk: a rename must not outlive what it names."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        os.chown(path, 0, 0, follow_symlinks=False)
        if os.path.islink(path):
            continue
        os.chmod(path, 0o644 if name == folders.RECORD else 0o755)
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())
    os.chown(folder, 0, 0)
    os.chmod(folder, 0o755)
    atomic.sync_directory(folder)
