"""From a build tree to one flat folder: programs, libraries, and nothing else; root's from then on.

The tree belongs to the user that compiled, so it is not trusted: no link of it is followed.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from typing import Any, Dict, List

from strixkit.remote.agent.build import folders, libraries
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.report import Report

LIBRARY = re.compile(r"lib[A-Za-z0-9_.+-]+\.so(\.[0-9]+)*")
HEADER = re.compile(r"[A-Za-z0-9_-]+\.h")
MOST_FILES = 1024
MOST_BYTES = 8 << 30  # a HIP library of all architectures has about 1 GiB
CHUNK = 4 << 20


def collect(spec: "Dict[str, Any]", build_folder: str, report: Report) -> str:
    """Copy what the build made from its `bin` and check how it is linked; returns the folder `.new-<id>`.

    Reports the point `collect`. Raises BuildError, which names the file.
    """
    report("collect")
    folder = folders.begin(spec["id"])
    programs = [str(name) for name in spec["programs"]]
    tree = os.path.join(build_folder, "bin")
    try:
        top = os.open(build_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            source = os.open("bin", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        finally:
            os.close(top)
    except OSError as error:
        raise BuildError("the build made no folder %s: %s" % (tree, error.strerror)) from error
    try:
        names = wanted(os.listdir(source), programs, tree)
        room = MOST_BYTES
        for name in names:
            room -= _copy(source, name, folder, room)
    finally:
        os.close(source)
    _headers(spec, os.path.join(os.path.dirname(build_folder), "source"), folder, room)
    check_links(folder, names)
    libraries.check(folder, build_folder)
    return folder


def _headers(spec: "Dict[str, Any]", source: str, folder: str, room: int) -> None:
    """The headers of the spec's folders of the source, beside the programs: who compiles for this ggml needs them."""
    for part in spec.get("headers", []):
        path = os.path.join(source, *str(part).split("/"))
        if os.path.realpath(path) != path:
            raise BuildError("%s of the source is no folder of its own" % part)
        try:
            opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise BuildError("the source has no folder %s: %s" % (part, error.strerror)) from error
        try:
            for name in sorted(name for name in os.listdir(opened) if HEADER.fullmatch(name))[:MOST_FILES]:
                room -= _copy(opened, name, folder, room)
        finally:
            os.close(opened)


def wanted(found: "List[str]", programs: "List[str]", tree: str) -> "List[str]":
    """Pure: the names that belong to the result, sorted. Raises BuildError for a program that is not there."""
    missing = [name for name in programs if name not in found]
    if missing:
        raise BuildError("the build did not make %s (wanted in %s)" % (", ".join(missing), tree))
    names = sorted(set(programs) | {name for name in found if LIBRARY.fullmatch(name)})
    if len(names) > MOST_FILES:
        raise BuildError("%s has %d programs and libraries, at most %d are taken" % (tree, len(names), MOST_FILES))
    return names


def _copy(source: int, name: str, folder: str, room: int) -> int:
    """Copy one file or link; returns its bytes."""
    info = os.stat(name, dir_fd=source, follow_symlinks=False)
    target = os.path.join(folder, name)
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), target)
        return 0
    if not stat.S_ISREG(info.st_mode):
        raise BuildError("%s is no regular file" % name)
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source)
    with os.fdopen(fd, "rb") as handle:
        info = os.fstat(fd)
        # Another owner's file is there by a hard link, and would become readable for everybody.
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.fstat(source).st_uid:
            raise BuildError("%s is not a regular file of the user that compiled" % name)
        if info.st_mode & (stat.S_ISUID | stat.S_ISGID):
            raise BuildError("%s is setuid or setgid (mode %o)" % (name, stat.S_IMODE(info.st_mode)))
        if info.st_size > room:
            raise BuildError("the build's files are larger than %d MiB together" % (MOST_BYTES >> 20))
        with open(target, "xb") as copy:
            shutil.copyfileobj(handle, copy, CHUNK)
    os.chmod(target, 0o755)
    os.utime(target, ns=(info.st_mtime_ns, info.st_mtime_ns))
    return info.st_size


def check_links(folder: str, names: "List[str]") -> None:
    """Every link names a file beside it. Raises BuildError."""
    for name in names:
        path = os.path.join(folder, name)
        if os.path.islink(path):
            target = os.readlink(path)
            if "/" in target or target not in names or not os.path.isfile(path):
                raise BuildError("%s is a link to %s, which is no file of the build" % (name, target))
