"""Configure and compile: a transient unit of the user that builds, without network, with less weight than services.

The unit outlives a job that is killed. The next run waits for what it still does, and then runs all commands again:
what is up to date costs nothing, so there is no second account of how far the work is. The same holds after a power
cut, when nothing runs any more and durable.py says what of the build folder is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import Dict, NamedTuple, Sequence

from strixkit.remote.agent.atomic import read_text
from strixkit.remote.agent.build import durable, faults, jobs, unit, work
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.work import Spec, Work
from strixkit.remote.agent.report import Report

CCACHE_SIZE = "5G"  # unless the spec's environment says otherwise
PROPERTIES = ("PrivateNetwork=yes", "MemorySwapMax=0")


class Size(NamedTuple):
    """Compile jobs at once, and MiB that all of them may take together."""

    jobs: int
    limit_mib: int


def attach(spec: Spec, report: Report) -> None:
    """Wait for what a job that was killed has left running of this build; what it teaches is remembered.

    How it ended is not looked at further: the commands run again.
    """
    here, name = work.of(spec), work.unit(spec)
    if os.path.exists(here.log) and unit.running(name):
        report("attached to %s, which was still running" % name)
        ended = unit.follow(name, unit.Output(here.log, os.path.getsize(here.log)), report, durable.Syncing(here))
        if faults.out_of_memory(ended.result, ended.status, ended.lines):
            _remember_fewer(here, int(work.read_state(here).get("jobs", 2)))


def compile(spec: Spec, source: str, report: Report) -> str:
    """Run the spec's commands; returns the build folder. Reports the points `configure` and `compile`, and [n/m].

    Raises BuildError with the lines that tell the fault and the path of the log. After a kill for memory the next run
    takes half as many jobs.
    """
    here = work.of(spec)
    removed = durable.distrust(here)
    if removed:
        report.note("%d files of an earlier boot that may not have reached the disk are made again" % removed)
    size = measure(spec, work.read_state(here))
    began = time.monotonic()
    report("configure")
    if work.read_state(here).get("configured") is False:
        # What a configuration that failed has found, or not found, is not looked for again.
        shutil.rmtree(here.build, ignore_errors=True)
        work.make(here.build, work.account())
    work.remember(here, configured=True, jobs=size.jobs)
    try:
        for words in spec["configure"]:
            _run(spec, words, source, size, report)
    except unit.Cancelled:
        raise
    except BuildError:
        work.remember(here, configured=False)
        raise
    report("compile")
    for words in spec["build"]:
        _run(spec, words, source, size, report)
    seconds = float(work.read_state(here).get("seconds", 0)) + time.monotonic() - began
    work.remember(here, seconds=round(seconds, 1))
    return here.build


def measure(spec: Spec, state: "Dict[str, object]") -> Size:
    """What this box can carry at the moment."""
    meminfo = read_text("/proc/meminfo") or ""
    found = re.search(r"^MemAvailable:\s+([0-9]{1,15}) kB", meminfo, re.MULTILINE)
    limit = jobs.memory_limit_mib(int(found[1]) // 1024 if found else 0)
    cores = len(os.sched_getaffinity(0))
    most = int(str(state.get("most_jobs", 0)))
    return Size(jobs.jobs(cores, limit, int(spec["job_mib"]), int(spec.get("jobs", 0)), most), limit)


def environment_of(spec: Spec, here: Work, values: "Dict[str, str]") -> "Dict[str, str]":
    """Variables of the commands; the spec's come last.

    Whether ccache is used is for the spec and the source to say: ggml's CMake files take it where it is installed.
    Objects that were compiled in one folder serve builds in another (CCACHE_BASEDIR).
    """
    own = {
        "HOME": "/tmp",
        "LC_ALL": "C.UTF-8",
        "CCACHE_DIR": work.CCACHE,
        "CCACHE_MAXSIZE": CCACHE_SIZE,
        "CCACHE_BASEDIR": here.folder,
        "CCACHE_NOHASHDIR": "1",
    }
    return {**own, **{str(key): fill(str(value), values) for key, value in spec["environment"].items()}}


def fill(word: str, values: "Dict[str, str]") -> str:
    """Pure: a word with {source}, {build}, {ccache} (folders) and {jobs} replaced; any other brace stays."""
    for key, value in values.items():
        word = word.replace(key, value)
    return word


def _run(spec: Spec, words: "Sequence[str]", source: str, size: Size, report: Report) -> None:
    """One of the spec's commands. Raises BuildError."""
    here = work.of(spec)
    values = {"{source}": source, "{build}": here.build, "{jobs}": str(size.jobs), "{ccache}": work.CCACHE}
    command = unit.Command(
        argv=[fill(str(word), values) for word in words],
        folder=source,
        writable=[here.build, work.CCACHE],
        environment=environment_of(spec, here, values),
        properties=[*PROPERTIES, "MemoryMax=%dM" % size.limit_mib],
    )
    try:
        ended = unit.run(work.unit(spec), command, here.log, report, durable.Syncing(here))
    except unit.NotStarted as error:
        lacking = faults.lacking([str(error)], _manager())
        raise BuildError("%s%s" % (error, "; " + lacking if lacking else ""), error.log) from error
    if not ended.ok:
        raise _failure(here, command.argv, ended, size)


def _failure(here: Work, argv: "Sequence[str]", ended: unit.Ended, size: Size) -> BuildError:
    """The error for a command that failed, and what the next run has to know."""
    shown = faults.telling(ended.lines)
    where = "\n  log: %s" % here.log
    if faults.no_space(ended.lines):
        return work.no_room(here.build, shown)
    if faults.out_of_memory(ended.result, ended.status, ended.lines):
        text = _memory_text(here, size)
    else:
        how = "exit %d" % ended.status if ended.result == "exit-code" else ended.result
        lacking = faults.lacking(ended.lines, _manager())
        text = "%s failed (%s)%s" % (os.path.basename(argv[0]), how, ": " + lacking if lacking else "")
    return BuildError(text + where, shown)


def _memory_text(here: Work, size: Size) -> str:
    text = "a compiler was killed for its memory (%d jobs, %d MiB for all)" % (size.jobs, size.limit_mib)
    if size.jobs == 1:
        return text + "; next: free memory on the box (a smaller service, or none), then the same command goes on"
    fewer = _remember_fewer(here, size.jobs)
    return text + "; next: the same command, which goes on with %d" % fewer


def _remember_fewer(here: Work, used: int) -> int:
    fewer = jobs.after_out_of_memory(used)
    work.remember(here, most_jobs=fewer)
    return fewer


def _manager() -> str:
    return "dnf" if os.path.exists("/usr/bin/dnf") else "apt"
