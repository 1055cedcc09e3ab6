"""The step `build`: from a locked source to a verified folder in place. Each phase can be run again.

Interrupted, the next run goes on: the mirror has its commit, the source is checked, the build folder is kept as far as
it can be trusted (durable.py), and everything after it is short and begins anew.
"""

from __future__ import annotations

import errno
import os
import shutil
from typing import Any, Dict

from strixkit.remote.agent import paths
from strixkit.remote.agent.build import cancel, checkout, collect, compile, fetch, place, verify, work
from strixkit.remote.agent.report import Report


def build(step: "Dict[str, Any]", report: Report) -> None:
    """Make the build of step["spec"] (see strixkit.resources.build). Raises BuildError, with the last lines of a log.

    Points: fetch, checkout, configure, compile, collect, verify, place.
    """
    try:
        _build(step["spec"], report)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise work.no_room(_fullest(step["spec"])) from error


def _fullest(spec: work.Spec) -> str:
    """Of the folders that a build writes to, the one with the least room: a write that fails does not name its file."""
    folders = [folder for folder in (work.of(spec).folder, paths.BUILDS, paths.BUILD_CACHE) if os.path.isdir(folder)]
    return min(folders, key=work.free_mib, default="/")


def _build(spec: work.Spec, report: Report) -> None:
    here = work.prepare(spec)
    cancel.begin()
    cancel.end_others(work.unit(spec))
    compile.attach(spec, report)
    fetch.fetch(spec, report)
    source = checkout.checkout(spec, report)
    made = compile.compile(spec, source, report)
    folder = collect.collect(spec, made, report)
    verified = verify.verify(spec, folder, report)
    state = work.read_state(here)
    place.place(spec, folder, verified, report, {key: state[key] for key in ("seconds", "jobs") if key in state})
    for path in (here.build, here.source):  # the log stays; ccache has the objects
        shutil.rmtree(path, ignore_errors=True)
