"""Make one file: run its tool detached, or attach to it; check what came of it, record that, and put it in place."""

from __future__ import annotations

import os
import shutil
from typing import Any, Dict, List

from strixkit.planner.gguf import GgufError
from strixkit.remote.agent import atomic, detached, hashes, paths, transient
from strixkit.remote.agent.make import check, join, work
from strixkit.remote.agent.make.errors import MakeError
from strixkit.remote.agent.make.work import Spec, Work
from strixkit.remote.agent.report import Report
from strixkit.runtime import quantize

DAYS = 3  # then a tool is ended, whatever it does
LEAST_FREE = 1 << 20  # bytes: with fewer, a failure is one of the disk
JOIN = "join"
PROPERTIES = (*detached.YIELDING, "PrivateNetwork=yes", "CacheDirectory=" + work.CACHE, "UMask=0077")


def make(step: Spec, report: Report) -> None:
    """Raises MakeError when there is nothing to use; the file that was there before is as it was.

    step: `path`, `key` (of all that shapes the file), `tool` (`join`, `imatrix` or `quantize`), `argv` with {input}
    and {out} in it, `inputs` (name, path, and sha256 or the key of a made file), `expected`, `user`, `sandbox`,
    `environment`, and what is only recorded: `runtime`, `about`.
    """
    os.makedirs(paths.MADE, mode=0o755, exist_ok=True)
    for other in detached.units("strixkit-make-*.service"):
        if other != work.unit(str(step["key"])):
            detached.clear(other)  # of a recipe before this one: nobody waits for it
    here = work.prepare(step)
    inputs = [dict(item, sha256=_known(item)) for item in step["inputs"]]
    ran = atomic.read_json(here.ran)
    if not isinstance(ran, dict) or not os.path.isfile(here.result):
        ran = join.joined(here, inputs) if step["tool"] == JOIN else _run(step, here, report)
        atomic.write_json(here.ran, ran)
    _place(step, here, inputs, ran, report)


def _known(item: "Dict[str, Any]") -> str:
    """The hash of an input that is there as it should be. Raises MakeError."""
    path, record = str(item["path"]), work.provenance(str(item["path"]))
    try:
        found = hashes.recorded(path)
    except OSError as error:
        raise MakeError("input %s is not there: %s" % (path, error)) from None
    if (record.get("key") != item["key"]) if item.get("key") else (found != item["sha256"]):
        raise MakeError("input %s is not the one that is wanted; next: the same command again" % path)
    return found


def _run(step: Spec, here: Work, report: Report) -> "Dict[str, Any]":
    """Returns how the tool ran: `argv`, `seconds`, `began`, and what it said. Raises MakeError."""
    name, tool = work.unit(str(step["key"])), str(step["tool"])
    argv = arguments(step, here)
    watch = quantize.Measuring() if tool == "imatrix" else quantize.Quantizing()
    if os.path.exists(here.log) and detached.known(name):
        report("attached to %s" % name)
        output = detached.Output(here.log, 0)
    else:
        output = _start(step, here, argv)
        report(tool)
    ended = detached.follow(name, output, watch, report.counted)
    if not ended.ok:
        raise _failure(here, argv, ended)
    try:
        work.take(here)
    except MakeError as error:
        raise MakeError(_with_cause(str(error), here, ended.lines), ended.lines) from None
    began = str((atomic.read_json(here.begun) or {}).get("at", ""))
    said = {"chunks": watch.chunks} if isinstance(watch, quantize.Measuring) else {"unweighted": watch.unweighted}
    return {"argv": argv, "seconds": round(ended.seconds, 1), "began": began, **said}


def _start(step: Spec, here: Work, argv: "List[str]") -> detached.Output:
    for left in (here.result, here.ran, here.log):
        atomic.remove(left)
    user = str(step["user"])
    try:
        work.empty_out(here, user)
        environment = {str(key): str(value) for key, value in step["environment"].items()}
        cache = "/var/cache/" + work.CACHE
        command = detached.Command(
            argv,
            here.out,
            [here.out],
            {**environment, "XDG_CACHE_HOME": cache, "MESA_SHADER_CACHE_DIR": cache, "LC_ALL": "C.UTF-8"},
            [*(str(word) for word in step["sandbox"]), *PROPERTIES],
            DAYS * 86400,
        )
        atomic.write_json(here.begun, {"at": work.now(), "inputs": [str(item["path"]) for item in step["inputs"]]})
        return detached.start(work.unit(str(step["key"])), command, here.log, transient.as_user(user), "strixkit make")
    except (detached.NotStarted, KeyError, ValueError) as error:
        raise MakeError(str(error)) from error


def arguments(step: Spec, here: Work) -> "List[str]":
    """Pure: the command line, with the paths of inputs and of the file that is written."""
    values = {"{%s}" % item["name"]: str(item["path"]) for item in step["inputs"]}
    values["{out}"] = os.path.join(here.out, os.path.basename(here.result))
    return [values.get(str(word), str(word)) for word in step["argv"]]


def _failure(here: Work, argv: "List[str]", ended: detached.Ended) -> MakeError:
    how = "exit %d" % ended.status if ended.result == "exit-code" else ended.result
    if ended.result == "stopped":
        text = "%s was ended from outside; the same command begins it again" % os.path.basename(argv[0])
    else:
        text = "%s failed (%s)" % (os.path.basename(argv[0]), how)
    return MakeError(_with_cause(text, here, ended.lines), ended.lines)


def _with_cause(text: str, here: Work, lines: "List[str]") -> str:
    cause = quantize.why(lines)
    if not cause and work.free_bytes(here.folder) < LEAST_FREE:
        cause = "no space left on the disk: make room there"
    free = ", %.1f MB are free in %s" % (work.free_bytes(here.folder) / 1e6, paths.MADE) if "no space" in cause else ""
    return "%s%s%s; its log: %s" % (text, ": " + cause if cause else "", free, here.log)


def _place(step: Spec, here: Work, inputs: "List[Any]", ran: "Dict[str, Any]", report: Report) -> None:
    """Raises MakeError with all that is not as it should be; the file stays beside its place, for another look."""
    path, size = str(step["path"]), os.path.getsize(here.result)
    checks: "List[check.Check]" = []
    if step["tool"] != JOIN:
        try:
            header = check.header_of(here.result)
        except (GgufError, OSError, ValueError) as error:
            lines = detached.tail(here.log, 0)
            atomic.remove(here.ran)
            text = _with_cause(
                "what the tool has written is not whole, though it says success: %s" % error, here, lines
            )
            raise MakeError(text, lines) from None
        if step["tool"] == "imatrix":
            checks = check.imatrix(header, int(ran["chunks"]), step["expected"])
        else:
            checks = check.model(header, size, step["expected"])
    faults = check.faults(checks)
    if faults:
        words = "; ".join(faults)
        raise MakeError(
            "%s is not as the recipe expects it and was not put in place (it is %s): %s"
            % (os.path.basename(path), here.result, words)
        )
    sha256 = hashes.compute(here.result, report)
    record = {
        "file": os.path.basename(path),
        "path": path,
        "key": step["key"],
        "tool": step["tool"],
        "sha256": sha256,
        "size": size,
        "inputs": [{key: item[key] for key in ("name", "path", "sha256", "origin")} for item in inputs],
        "runtime": step["runtime"],
        "kernel": os.uname().release,
        "host": os.uname().nodename,
        "made": work.now(),
        "checks": [item._asdict() for item in checks],
        **step["about"],
        **ran,
    }
    atomic.write_json(path + work.PROVENANCE, record, 0o644)
    os.rename(here.result, path)
    atomic.sync_directory(paths.MADE)
    hashes.record(path, sha256)
    if os.path.exists(here.log):
        os.rename(here.log, path + work.LOG)
    shutil.rmtree(here.folder, ignore_errors=True)
