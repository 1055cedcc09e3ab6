"""The dynamic loader's cache: whether it has what is in a folder, and making it again (ldconfig(8))."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, Dict, List, Sequence, Set

from strixkit.remote.agent import atomic
from strixkit.remote.agent.report import Report

LDCONFIG = ("/sbin/ldconfig",)  # a user's PATH may lack /sbin
CACHE = "/etc/ld.so.cache"
FOLDER = re.compile(r"(/.*?):(?: \(.*\))?")  # `/opt/rocm/lib: (from /etc/ld.so.conf.d/x.conf:1)`
LINK = re.compile(r"\t(\S+) -> .*")  # `	libx.so.1 -> libx.so.1.2`
CACHED = re.compile(r"\t(\S+) \(.*\) => (/.*)")  # `	libx.so.1 (libc6,x86-64) => /opt/rocm/lib/libx.so.1`
Names = Dict[str, Set[str]]


def differences(folders: "Sequence[str]") -> "Dict[str, List[str]]":
    """missing: libraries of these folders that the loader's files name and its cache lacks.

    stale: those that it has though no file of the loader names their folder. ldconfig itself says both, by the names
    under which programs ask for them (SONAME), and changes nothing for it.
    """
    would = would_be(_said("-N", "-X", "-v"))
    has = cached(_said("-p"))
    missing: "Set[str]" = set()
    stale: "Set[str]" = set()
    # A folder may be named by a link, and an earlier line may have it by another name.
    for folder in folders:
        real = os.path.realpath(folder)
        if real in would:
            missing |= would[real] - has.get(real, set())
        else:
            stale |= has.get(folder, set()) | has.get(real, set())
    return {"missing": sorted(missing), "stale": sorted(stale)}


def would_be(said: str) -> Names:
    """Of `ldconfig -N -X -v`: folder, without links in its path -> names of libraries that the cache would have."""
    found: Names = {}
    names: "Set[str]" = set()
    for line in said.splitlines():
        folder, link = FOLDER.fullmatch(line), LINK.fullmatch(line)
        if folder:
            names = found.setdefault(os.path.realpath(folder[1]), set())
        elif link:
            names.add(link[1])
    return found


def cached(said: str) -> Names:
    """Of `ldconfig -p`: folder, as it is named there and without links in its path -> names of libraries."""
    found: Names = {}
    for entry in filter(None, map(CACHED.fullmatch, said.splitlines())):
        folder = os.path.dirname(entry[2])
        for name in {folder, os.path.realpath(folder)}:
            found.setdefault(name, set()).add(entry[1])
    return found


def ldconfig(step: Dict[str, Any], report: Report) -> None:
    """Make the cache again. Raises RuntimeError."""
    refresh()


def refresh() -> None:
    """Let ldconfig make the cache of what is in the folders now, and have it on the disk. Raises RuntimeError."""
    done = _run()
    if done.returncode != 0:
        raise RuntimeError("ldconfig: %s" % done.stderr.decode("utf-8", "replace").strip()[-500:])
    with open(CACHE, "rb") as handle:
        os.fsync(handle.fileno())
    atomic.sync_directory(os.path.dirname(CACHE))


def _said(*words: str) -> str:
    """What it prints. A cache that it cannot read has nothing; what it warns of is in its other output."""
    return str(_run(*words).stdout.decode("utf-8", "replace"))


def _run(*words: str) -> "subprocess.CompletedProcess[bytes]":
    environment = dict(os.environ, LC_ALL="C")
    return subprocess.run([*LDCONFIG, *words], stdin=subprocess.DEVNULL, capture_output=True, env=environment)
