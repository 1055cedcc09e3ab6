"""Packages that must not be there: what a purge would take away, and the purge."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
from typing import Any, Dict, List, Set, Tuple

from strixkit.remote.agent import apt
from strixkit.remote.agent.report import Report

GONE = re.compile(r"^(?:Remv|Purg) ([^ ]+)", re.MULTILINE)  # one of a foreign architecture ends with `:i386`


def unwanted(names: List[str], purge: bool) -> Dict[str, Any]:
    """What is there of packages that must not be, and which others would go with them.

    names: a package, or `package=pattern` for those versions of it only, as in fnmatch.
    purge: one that was removed and has left its configuration counts as well: that may hold sources of apt.
    held: those of them all that are on hold; where apt cannot say which they are (`fault`), all that are.
    """
    installed, left = _unwanted(names, purge)
    found = {**installed, **{name: version + " (its configuration)" for name, version in left.items()}}
    try:
        going = {*installed, *_purged(list(installed))}
    except RuntimeError as error:
        # apt 3 does not name what is on hold: it only says that it cannot.
        return {"found": found, "along": [], "fault": str(error), "held": sorted(_held())}
    return {"found": found, "along": sorted(going - set(installed)), "held": sorted(going & _held()) if going else []}


def _unwanted(names: List[str], purge: bool) -> Tuple[Dict[str, str], Dict[str, str]]:
    """Name -> version of those that are installed, and of those that have left their configuration."""
    patterns: Dict[str, List[str]] = {}
    for name, _, pattern in (word.partition("=") for word in names):
        patterns.setdefault(name, []).extend([pattern] if pattern else [])
    installed, left = {}, {}
    for name, (status, version) in apt.states(sorted(patterns)).items():
        some = patterns[name.partition(":")[0]]
        if status == "config-files" and purge and not some:
            left[name] = version
        elif status not in ("not-installed", "config-files") and any(fnmatch.fnmatch(version, p) for p in some or "*"):
            installed[name] = version
    return installed, left


def _held() -> Set[str]:
    """What somebody has forbidden apt to change."""
    done = subprocess.run(["apt-mark", "showhold"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return set(done.stdout.split())


def _purged(names: List[str]) -> List[str]:
    """What a purge of `names` takes away: them, what needs them, and what nobody needs any more without them.

    Raises RuntimeError where apt cannot say it: what goes must be known before.
    """
    if not names:
        return []
    orphans = _simulated("autoremove")
    return [name for name in _simulated("--auto-remove", "purge", "--", *names) if name in names or name not in orphans]


def _simulated(*words: str) -> List[str]:
    done = subprocess.run(
        ["apt-get", "--simulate", "--quiet", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(os.environ, LC_ALL="C.UTF-8"),
    )
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("E:")]
        command = " ".join(["apt-get", "--simulate", *words])
        raise RuntimeError("%s (exit %d): %s" % (command, done.returncode, " ".join(said)[:600]))
    return sorted({match.group(1) for match in GONE.finditer(done.stdout)})


def purge(step: Dict[str, Any], report: Report) -> None:
    """Remove packages, their configuration by wish, and what only they have needed."""
    apt.make_ready(step, report)
    installed, left = _unwanted([str(name) for name in step["packages"]], bool(step["purge"]))
    verb = "purge" if step["purge"] else "remove"
    if installed:
        report("apt-get %s %s" % (verb, " ".join(installed)))
        apt.apt_get(verb, "--", *sorted({*installed, *_purged(list(installed))}))
    if left:  # apt does not know a package that no repository has and that is not installed
        report("dpkg --purge " + " ".join(left))
        done = subprocess.run(
            ["dpkg", "--purge", *left],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError("dpkg --purge failed (exit %d):\n%s" % (done.returncode, done.stdout.strip()[-2000:]))
