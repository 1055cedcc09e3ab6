"""Model files on the box: what is there, which releases use it, and what may go. Read-only."""

from __future__ import annotations

import glob
import os
import re
import stat
import time
from typing import Any, Dict, Iterator, List, Set, Tuple

from strixkit.remote.agent import detached, hashes, paths
from strixkit.remote.agent.atomic import read_json
from strixkit.remote.agent.fetch import unit
from strixkit.remote.agent.make import work

Row = Dict[str, Any]
FOLDERS = (paths.STATE + "/models", paths.STATE + "/made")  # of whole files: sent or fetched; made here
PROCESSES = "/proc"
MOST_FILES = 10000
UPLOAD = re.compile(r"\.strixkit-([0-9a-f]{64})\.(?:partial|copy)")  # sent; copied from another file system
SPLIT = re.compile(r"(.+)-[0-9]{5}-of-([0-9]{5})\.gguf")
SHORT = 12  # digits of the sha256 in the name of a file that strixkit has put there
HALF_SECONDS = 24 * 3600  # a half file that nobody has written to for so long is given up
AT_WORK_SECONDS = 3600  # one that no service wants may still be what somebody pulls
MAKING = re.compile(re.escape(work.PREFIX) + r"[0-9a-f]{16}")  # the folder of a file that is being made
BESIDE = (work.PROVENANCE, work.LOG)  # of a made file


def models(question: "Dict[str, Any]") -> Row:
    """All model files and half ones.

    paths, sha256: of the files that services want, of those whole and those on their way.
    files: {"path", "size", "link" (its target), "sha256" (recorded, or empty), "checked", "used_by", "wanted"}.
    halves: {"path", "bytes" (on the disk), "seconds" (since a byte came), "running", "sha256", "wanted"}; of a file
    that is being made, nobody knows the sha256.
    """
    names, sums = {str(item) for item in question["paths"]}, {str(item) for item in question["sha256"]}
    used, table, files = users(), read_json(paths.CHECKED) or {}, []
    for path, info in _files():
        if not UPLOAD.fullmatch(os.path.basename(path)) and not _beside(path):
            try:
                files.append(dict(_whole(path, info, used, table), wanted=path in names))
            except FileNotFoundError:  # it went meanwhile
                continue
    folder = os.path.realpath(FOLDERS[0])
    room = os.statvfs(folder if os.path.isdir(folder) else "/")
    return {
        "files": files,
        "halves": [dict({"wanted": half["sha256"] in sums}, **half) for half in _halves()],
        "free_bytes": room.f_bavail * room.f_frsize,
        "total_bytes": room.f_blocks * room.f_frsize,
        "now": time.time(),
    }


def one(question: "Dict[str, Any]") -> Row:
    """The file at `path`, of these folders: see `models`; `exists`: False when there is none."""
    path = inside(str(question["path"]))
    try:
        info = os.lstat(path)
    except OSError:
        return {"exists": False}
    if stat.S_ISDIR(info.st_mode):  # a half download
        return {"exists": True, "link": "", "sha256": "", "checked": None, "used_by": []}
    row = _whole(path, info, users(), read_json(paths.CHECKED) or {})
    return {"exists": True, **{name: row[name] for name in ("link", "sha256", "checked", "used_by")}}


def prunable(answer: Row) -> "List[Tuple[str, int]]":
    """Path and bytes of each file that may go unasked, of an answer of `models`.

    A whole file: strixkit has put it there, which its name shows; no release and no service uses it. A half one: given
    up, or of a file that no service wants.
    """
    found = [
        (str(row["path"]), int(row["size"]))
        for row in answer["files"]
        if not row["used_by"] and not row["wanted"] and not row["link"] and of_ours(row)
    ]
    for half in answer["halves"]:
        if not half["running"] and half["seconds"] > (HALF_SECONDS if half["wanted"] else AT_WORK_SECONDS):
            found.append((str(half["path"]), int(half["bytes"])))
    return found


def unused(path: str) -> "List[Tuple[str, int]]":
    """For who lacks room for the file at `path`: the whole files that no release uses, and their bytes."""
    return prunable(dict(models({"paths": [path], "sha256": []}), halves=[]))


def of_ours(row: Row) -> bool:
    """The name ends with the first digits of the file's own sha256."""
    return bool(row["sha256"]) and str(row["path"]).endswith("-%s.gguf" % str(row["sha256"])[:SHORT])


def inside(path: str) -> str:
    """The path, if it lies in one of the folders, without a link in between. Raises RuntimeError."""
    for folder in (*FOLDERS, paths.INCOMING):
        if path.startswith(folder + "/") and os.path.normpath(path) == path:
            above = os.path.dirname(path)
            if os.path.realpath(above) == os.path.realpath(folder) + above[len(folder) :]:
                return path
    raise RuntimeError("%s is not in %s" % (path, ", ".join((*FOLDERS, paths.INCOMING))))


def _files() -> "Iterator[Tuple[str, os.stat_result]]":
    """Regular files and links below the folders; a link is not followed."""
    count = 0
    for top in FOLDERS:
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if not MAKING.fullmatch(name)]
            for name in sorted([*names, *(item for item in below if os.path.islink(os.path.join(folder, item)))]):
                path = os.path.join(folder, name)
                try:
                    info = os.lstat(path)
                except OSError:  # it went meanwhile
                    continue
                count += 1
                if count <= MOST_FILES and (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
                    yield path, info


def _whole(path: str, info: os.stat_result, used: "Dict[str, List[str]]", table: Row) -> Row:
    link = os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""
    checked = table.get(path)
    if not isinstance(checked, dict) or link or checked.get("stamp") != hashes.stamp(path):
        checked = None
    return {
        "path": path,
        "size": info.st_size,
        "link": link,
        "sha256": "" if link else hashes.recorded(path),
        "checked": {name: value for name, value in checked.items() if name != "stamp"} if checked else None,
        "used_by": _users_of(path, used),
    }


def _users_of(path: str, used: "Dict[str, List[str]]") -> "List[str]":
    """Also of a later part of a split model: a release names its first one."""
    part = SPLIT.fullmatch(path)
    first = "%s-00001-of-%s.gguf" % part.groups() if part else path
    names = {path, first, os.path.realpath(path), os.path.realpath(first)}
    if os.path.islink(path) and os.path.isdir(path):  # a release may name a file by way of it
        names.update(name for name in used if name.startswith(path + "/"))
    return sorted({release for name in names for release in used.get(name, [])})


def _beside(path: str) -> bool:
    """Whether it belongs to the made file beside it, and goes with that."""
    ends = [end for end in BESIDE if path.endswith(end)]
    return os.path.dirname(path) == FOLDERS[1] and any(os.path.lexists(path[: -len(end)]) for end in ends)


def users() -> "Dict[str, List[str]]":
    """Path of a file -> releases, current and kept ones, that name it; where it is a link, also what that leads to.

    Of a file that no release names: the processes that were started with it, and the makings that were cut off.
    """
    found = {**_unfinished(), **_processes(), **_releases()}
    return {name: sorted(items) for name, items in found.items()}


def _processes() -> "Dict[str, Set[str]]":
    """Path -> the processes that name it in their command lines, absolutely."""
    found: "Dict[str, Set[str]]" = {}
    for folder in glob.glob(PROCESSES + "/[0-9]*"):
        try:
            with open(folder + "/cmdline", "rb") as handle:
                words = [os.fsdecode(word) for word in handle.read().split(b"\0")]
            with open(folder + "/comm", "rb") as handle:
                user = "process %s" % os.fsdecode(handle.read().strip())
        except OSError:  # it ended meanwhile
            continue
        for word in words:
            name = word[word.find("=/") + 1 :] if "=/" in word else word
            for place in {name, os.path.realpath(name)} if name.startswith("/") else ():
                if place.startswith(tuple(os.path.realpath(top) + "/" for top in FOLDERS)):
                    found.setdefault(place, set()).add(user)
    return found


def _unfinished() -> "Dict[str, Set[str]]":
    """Path -> the files that are being made of it; one that was cut off goes on with the next `invoke quantize`."""
    found: "Dict[str, Set[str]]" = {}
    for folder in glob.glob(glob.escape(FOLDERS[1]) + "/" + work.PREFIX + "*"):
        begun = read_json(os.path.join(folder, work.BEGUN))
        for place in begun.get("inputs", []) if isinstance(begun, dict) else []:
            found.setdefault(str(place), set()).add("unfinished %s" % os.path.basename(folder))
    return found


def _releases() -> "Dict[str, Set[str]]":
    found: "Dict[str, Set[str]]" = {}
    for path in sorted(glob.glob(glob.escape(paths.SERVICES) + "/*/releases/*/manifest.json")):
        manifest = read_json(path)
        words = path.split("/")
        if not isinstance(manifest, dict):
            raise RuntimeError("%s cannot be read, so nobody knows which model it needs" % path)
        argv, model = manifest.get("argv"), manifest.get("model")
        named = [str(word) for word in argv] if isinstance(argv, list) else []
        named += [str(model.get("path"))] if isinstance(model, dict) else []
        for name in named:
            if name.startswith("/"):
                for place in (name, os.path.realpath(name)):
                    found.setdefault(place, set()).add("%s/%s" % (words[-4], words[-2]))
    return found


def _halves() -> "Iterator[Row]":
    for path, info in _files():
        upload = UPLOAD.fullmatch(os.path.basename(path))
        if upload and stat.S_ISREG(info.st_mode):
            yield _half(path, upload.group(1), [info], running=False)
    for name in sorted(os.listdir(paths.INCOMING)) if os.path.isdir(paths.INCOMING) else []:
        path = os.path.join(paths.INCOMING, name)
        if re.fullmatch(r"[0-9a-f]{64}", name) and os.path.isdir(path) and not os.path.islink(path):
            yield _half(path, name, _below(path), running=unit.at_work(name))
    for name in sorted(os.listdir(FOLDERS[1])) if os.path.isdir(FOLDERS[1]) else []:
        path = os.path.join(FOLDERS[1], name)
        if MAKING.fullmatch(name) and os.path.isdir(path) and not os.path.islink(path):
            # Somebody may want to look at what has failed: as long as at a file that a service wants.
            yield dict(_half(path, "", _below(path), running=being_made(path)), wanted=True)


def being_made(path: str) -> bool:
    """Whether the tool that writes to the folder is at work, or has ended and nobody has looked how."""
    return detached.known(work.unit(os.path.basename(path)[len(work.PREFIX) :]))


def _below(top: str) -> "List[os.stat_result]":
    """The folder itself and all that is in it."""
    stats = []
    for folder, _, names in os.walk(top):
        for path in [folder, *(os.path.join(folder, name) for name in names)]:
            try:
                stats.append(os.lstat(path))
            except OSError:  # it went meanwhile
                continue
    return stats or [os.lstat(os.path.dirname(top))]


def _half(path: str, sha256: str, stats: "List[os.stat_result]", *, running: bool) -> Row:
    return {
        "path": path,
        "bytes": sum(info.st_blocks * 512 for info in stats),
        "seconds": time.time() - max(info.st_mtime for info in stats),
        "running": running,
        "sha256": sha256,
    }
