"""Which libraries a build's files load: their own from beside them, the others from the system, from nowhere else.

llama.cpp as built has an absolute RUNPATH with an empty element, and the empty element is the current directory:
whoever writes there has code in the service (ld.so(8)). And a copy that is started loads libraries of the old tree.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import List, Set

from strixkit.remote.agent import probe
from strixkit.remote.agent.build import elf
from strixkit.remote.agent.build.errors import BuildError

ORIGIN = "$ORIGIN"
CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
HEADER = ".h"  # text for compilers, which loads nothing
LDD_SECONDS = 60
FOUND = re.compile(r"^\s*(\S+) => (.*?)(?: \(0x[0-9a-f]+\))?$")
NEXT = "configure with -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON -DCMAKE_INSTALL_RPATH=$ORIGIN"


def check(folder: str, build_folder: str = "") -> None:
    """Check every program and library of a flat folder. Raises BuildError with the file and what was found.

    build_folder: the tree that it came from, of which nothing may be loaded.
    """
    names = sorted(os.listdir(folder))
    for name in names:
        path = os.path.join(folder, name)
        if os.path.islink(path) or name.endswith(HEADER):
            continue
        linked = _linking(path, name, set(names))
        if linked.dynamic:
            check_found(name, _ldd(path), folder, set(names), build_folder)


def _linking(path: str, name: str, own: "Set[str]") -> elf.Linking:
    with open(path, "rb") as handle:
        try:
            found = elf.linking(handle)
        except elf.ElfError as error:
            raise BuildError("%s: %s" % (name, error)) from error
    check_linking(name, found, own)
    return found


def check_linking(name: str, found: elf.Linking, own: "Set[str]") -> None:
    """Pure: where the file says that its libraries are. Raises BuildError."""
    if found.rpath is not None:
        raise BuildError("%s has the RPATH %r, wanted the RUNPATH %s: %s" % (name, found.rpath, ORIGIN, NEXT))
    if found.runpath != ORIGIN and (found.runpath is not None or own.intersection(found.needed)):
        raise BuildError("%s has the RUNPATH %r, wanted %s: %s" % (name, found.runpath, ORIGIN, NEXT))
    for needed in found.needed:
        if "/" in needed:
            raise BuildError("%s needs the library %r by its path, wanted by its name" % (name, needed))


def check_found(name: str, said: str, folder: str, own: "Set[str]", build_folder: str) -> None:
    """Pure: what ldd says of a file. Raises BuildError for a library that is missing, or comes from the wrong place."""
    missing: "List[str]" = []
    for line in said.splitlines():
        match = FOUND.match(line)
        if not match:
            continue
        library, where = match.groups()
        if where == "not found":
            missing.append(library)
        elif not where.startswith("/"):
            raise BuildError("%s loads %s from the current directory (%s)" % (name, library, where))
        elif library in own and os.path.dirname(where) != folder:
            raise BuildError("%s loads %s from %s, wanted the one beside it" % (name, library, where))
        elif build_folder and where.startswith(build_folder.rstrip("/") + "/"):
            raise BuildError("%s loads %s from the tree where it was built (%s)" % (name, library, where))
    if missing:
        raise BuildError(
            "%s needs %s, which the loader does not find\n"
            "  next: install the package with it, or name its folder in /etc/ld.so.conf.d"
            % (name, ", ".join(sorted(missing)))
        )


def _ldd(path: str) -> str:
    """What the dynamic loader would load; as nobody, because it is the file's own loader that is run."""
    name = os.path.basename(path)
    try:
        done = subprocess.run(
            ["ldd", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=CLEAN,
            cwd="/",
            timeout=LDD_SECONDS,
            **probe.as_nobody(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError("ldd %s: %s" % (name, error)) from error
    text = str(done.stdout.decode("utf-8", "replace"))
    if done.returncode != 0:
        raise BuildError("ldd %s failed (exit %d): %s" % (name, done.returncode, text.strip()[:500]))
    return text
