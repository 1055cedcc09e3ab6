"""The step `evaluate`: one run of llama-perplexity whose output is kept when it is a result, and not otherwise.

The program ends with 0 on most failures and may lose its last lines, so its output is read here: what is incomplete is
run again, what has failed is the step's error in words. A run is known by its id, which the controller makes of all
that shapes it; a finished one is not run again.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, detached, hashes, paths, transient
from strixkit.remote.agent.account import account
from strixkit.remote.agent.report import Report
from strixkit.runtime.perplexity import Run, parse_divergence, parse_perplexity
from strixkit.runtime.perplexity_command import logits_bytes
from strixkit.runtime.perplexity_progress import Meter

EVALUATIONS = paths.STATE + "/evaluations"
TRIES = 4  # one, and three more where the last lines were lost
# The thread that writes the last lines has only the moment until the program ends. With Nice=10, on two busy cores,
# half of all runs lost them, and a sixth without. The unit's weight is low all the same.
IN_TIME = ("Nice=0",)
OUTPUT_BYTES = 4 << 20
RESERVED_SHARE = 0.05  # of the disk that large logits leave free: what serves must be able to write
HEADER = struct.Struct("<8sIii")  # magic, n_ctx, n_vocab, n_chunk
SHOWN_LINES = 15

SAID_SECONDS = 10.0  # at most one line of progress in this time

# id, what, model (a path), argv, user, sandbox, environment; of a run against a base: base, the spec of its run
Spec = Dict[str, Any]


class EvaluateError(RuntimeError):
    """Why there is no result. log: the last lines of the program."""

    def __init__(self, message: str, log: "List[str]" = []) -> None:  # noqa: B006  never changed
        super().__init__(message)
        self.log = list(log)[-SHOWN_LINES:]


def folder(run: str) -> str:
    """Where a run is kept. Raises EvaluateError for what is no id."""
    if len(run) != 64 or set(run) - set("0123456789abcdef"):
        raise EvaluateError("%r is no id of a run" % run[:80])
    return os.path.join(EVALUATIONS, run)


def logits(run: str) -> str:
    """The file of the base's logits."""
    return os.path.join(folder(run), "logits", "base.kld")


def evaluate(step: "Dict[str, Any]", report: Report) -> None:
    """Make the run of step["spec"], and its base's before it where those logits are not there. Raises EvaluateError."""
    spec = step["spec"]
    if "base" in spec and not _has_logits(spec["base"]):
        report.note("the base's logits are not there any more, and are made again")
        _make(spec["base"], report)
    _make(spec, report)


def drop_logits(step: "Dict[str, Any]", report: Report) -> None:
    """Remove the base's logits; the outputs stay."""
    for run in step["ids"]:
        shutil.rmtree(os.path.dirname(logits(str(run))), ignore_errors=True)


def question(asked: "Dict[str, Any]") -> "Dict[str, Any]":
    """Whether a run is finished or running, what logits are there, and how many bytes are lacking for the rest of them.

    logits: [run of a base, bytes at most] of each that is there at the same time.
    """
    run = str(asked["run"])
    finished = kept(run) is not None
    answer = {"finished": finished, "running": not finished and detached.running(_unit(run)), "logits_bytes": 0}
    lacking = 0
    for base, most in asked["logits"]:
        there = os.path.getsize(logits(str(base))) if os.path.exists(logits(str(base))) else 0
        answer["logits_bytes"] += there
        lacking += 0 if there and kept(str(base)) is not None else max(0, int(most) - there)
    found = os.statvfs(paths.STATE if os.path.isdir(paths.STATE) else "/")
    reserved = min(lacking, int(RESERVED_SHARE * found.f_blocks * found.f_frsize))
    answer["lacks_bytes"] = max(0, lacking + reserved - found.f_bavail * found.f_frsize)
    return answer


PASSING = ("running", "lacks_bytes", "logits_bytes")  # what changes by itself, and is no reason to plan again


def kept(run: str) -> "Any":
    """What is kept of a finished run: output, attempts, seconds, and the sha256 of the model; or None."""
    return atomic.read_json(os.path.join(folder(run), "done.json"))


def outputs(request: "Dict[str, Any]") -> "List[Any]":
    """What is kept of runs, in the order of `ids`."""
    return [kept(str(run)) for run in request["ids"]]


def _unit(run: str) -> str:
    return "strixkit-evaluate-%s.service" % run[:32]


def _has_logits(spec: Spec) -> bool:
    return kept(str(spec["id"])) is not None and os.path.exists(logits(str(spec["id"])))


def _make(spec: Spec, report: Report) -> None:
    run = str(spec["id"])
    here, is_base = folder(run), "base" not in spec
    if kept(run) is not None and (not is_base or _has_logits(spec)):
        return
    _prepare(here, str(spec["user"]), is_base)
    for attempt in range(1, TRIES + 1):
        report("run %d" % attempt)
        began, ended = _run(spec, here, report)
        text = _output(here)
        result = parse_perplexity(text) if is_base else parse_divergence(text)
        if result.complete and is_base:
            _check_logits(logits(run), result)
        if result.complete:
            seconds = round(time.time() - began, 1)
            done = {
                "output": text,
                "attempts": attempt,
                "seconds": seconds,
                "sha256": _hash(str(spec["model"]), report),
            }
            atomic.write_json(os.path.join(here, "done.json"), done, 0o644)
            return
        _check(spec, result, ended)
        report.note("the program lost its last lines (%d of %d chunks told): once more" % (result.done, result.chunks))
    text = "the program lost its last lines in each of %d runs, so there is no result; next: the same command"
    raise EvaluateError(text % TRIES, ended.lines)


def _prepare(here: str, user: str, is_base: bool) -> None:
    owner = account(user, "models are judged", "nothing of a model runs as root", EvaluateError)
    os.makedirs(here, mode=0o755, exist_ok=True)
    place = os.path.join(here, "logits")
    if is_base and not os.path.isdir(place):
        os.mkdir(place, 0o700)
        os.chown(place, owner.uid, owner.gid)


def _run(spec: Spec, here: str, report: Report) -> "Any":
    """(when it began, seconds since 1970; how it ended). A run that an earlier job has left is waited for."""
    name, log, meter = _unit(str(spec["id"])), os.path.join(here, "output"), Meter()
    if detached.known(name) and os.path.exists(log):
        report("attached to %s, which was still running" % name)
        output = detached.Output(log, 0)
        began = float((atomic.read_json(os.path.join(here, "begun.json")) or {}).get("at", time.time()))
    else:
        began = time.time()
        atomic.write_json(os.path.join(here, "begun.json"), {"at": began}, 0o644)
        with open(log, "wb"):
            pass  # what an earlier try has said is none of this one's
        command = detached.Command(
            argv=[str(word) for word in spec["argv"]],
            folder="/",
            writable=[os.path.join(here, "logits")] if "base" not in spec else [],
            environment=dict(spec["environment"]),
            properties=[*detached.YIELDING, *IN_TIME, *(str(word) for word in spec["sandbox"])],
        )
        user = transient.as_user(str(spec["user"]))
        try:
            output = detached.start(name, command, log, user, "strixkit evaluation")
        except detached.NotStarted as error:
            text = "%s; next: does the runtime on the box have it? invoke build, or invoke deploy for a package"
            raise EvaluateError(text % error, error.log) from error

    said = {"done": -1, "at": 0.0}

    def watch(text: str, whole: bool) -> str:
        meter.hear(text)
        now = time.time()
        if meter.done == said["done"] or now - said["at"] < SAID_SECONDS:
            return ""
        words = meter.text(now - began)
        if words:
            said.update(done=meter.done, at=now)
        return words

    return began, detached.follow(name, output, watch, report.counted)


def _hash(path: str, report: Report) -> str:
    """Of the model; it is read once, and its hash recorded."""
    found = hashes.recorded(path) or hashes.compute(path, report.counted)
    hashes.record(path, found)
    return found


def _output(here: str) -> str:
    with open(os.path.join(here, "output"), "rb") as handle:
        return handle.read(OUTPUT_BYTES).decode("utf-8", "replace")


def _check(spec: Spec, result: Run, ended: "detached.Ended") -> None:
    """Raises EvaluateError for an output that no further run would complete."""
    if result.cause is not None:
        raise EvaluateError("%s; next: %s" % (result.cause.words, result.cause.hint), ended.lines)
    if not ended.ok:
        how = "exit %d" % ended.status if ended.result == "exit-code" else ended.result
        text = "%s was ended (%s) after %d of %d chunks; next: the same command, which goes on with this run"
        program = os.path.basename(str(spec["argv"][0]))
        raise EvaluateError(text % (program, how, result.done, result.chunks), ended.lines)


def _check_logits(path: str, result: Run) -> None:
    """Raises EvaluateError: a disk that is full is no failure for the program."""
    try:
        with open(path, "rb") as handle:
            magic, context, vocabulary, chunks = HEADER.unpack(handle.read(HEADER.size))
    except (OSError, struct.error) as error:
        raise EvaluateError("%s: the base's logits are not there: %s" % (path, error)) from error
    wanted = logits_bytes(vocabulary, chunks, context) if 0 < vocabulary < 1 << 24 else 0
    if (magic, context, chunks) != (b"_logits_", result.context, result.chunks) or os.path.getsize(path) != wanted:
        text = (
            "%s has %d bytes, wanted %d for %d chunks: the base's logits were not written whole; next: make room there"
        )
        raise EvaluateError(text % (path, os.path.getsize(path), wanted, result.chunks))
