"""Steps for model files: read one and look whether it is sound; remove one that nothing uses."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import time
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, hashes, models, paths, transient
from strixkit.remote.agent.build import folders, question
from strixkit.remote.agent.build.verify import CHILD, PROPERTIES
from strixkit.remote.agent.fetch import unit
from strixkit.remote.agent.report import Report

Step = Dict[str, Any]
PROGRAM = "strix-verify"
VERDICTS = {0: "good", 1: "bad"}
MOST_FAULTS = 5
SHOWN_CHARACTERS = 300
GRACE_SECONDS = 300.0
SLOW_BYTES = 20e6  # a second, of a slow disk that others use too


def verify_model(step: Step, report: Report) -> None:
    """Read a file's sha256 where none is recorded (`full`: in any case), run strix-verify, and record what it said.

    step: path, full, build (the id of our programs), user, sandbox. What is bad is no failure: the others are read too.
    """
    path = models.inside(str(step["path"]))
    before = hashes.stamp(path)
    full = bool(step["full"])
    known = "" if full else hashes.recorded(path)
    if not known:
        known = hashes.compute(path, report)
    verdict, faults = _sound(step, path, report) if path.endswith(".gguf") else ("no GGUF", [])
    if hashes.stamp(path) != before:
        raise RuntimeError("%s changed while it was read; next: the same command again" % path)
    hashes.record(path, known)
    table = atomic.read_json(paths.CHECKED) or {}
    table[path] = {"verdict": verdict, "faults": faults, "full": full, "at": time.time(), "stamp": before}
    atomic.write_json(paths.CHECKED, {name: row for name, row in table.items() if os.path.exists(name)})


def _sound(step: Step, path: str, report: Report) -> "tuple[str, List[str]]":
    """strix-verify's verdict and the first faults; it runs as the service's user, in the service's sandbox."""
    folder = folders.finished(step["build"])
    wrong = question.look(folder)
    if wrong is None or wrong:
        raise RuntimeError("the build %s is not as it was built: %s" % (step["build"], "; ".join(wrong or ["absent"])))
    report("%s %s" % (PROGRAM, path))
    seconds = GRACE_SECONDS + os.path.getsize(path) / SLOW_BYTES
    argv = [os.path.join(folder, PROGRAM), "--json", path]
    item = {"argv": argv, "environment": {}, "seconds": seconds, "apart": True}
    properties = [*(str(word) for word in step["sandbox"]), *PROPERTIES]
    user = transient.as_user(str(step["user"]))
    try:
        limit = seconds + GRACE_SECONDS
        [answer] = transient.run("models", CHILD, {"runs": [item]}, user=user, properties=properties, limit=limit)
        return _verdict(answer)
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired) as error:
        raise RuntimeError("%s could not look at %s: %s" % (PROGRAM, path, str(error)[:SHOWN_CHARACTERS])) from error


def _verdict(answer: "Dict[str, Any]") -> "tuple[str, List[str]]":
    """Of its document; whoever it ran as, it is not believed when the verdict is not that of its exit status."""
    words = (str(answer["error"]) or str(answer["words"]).strip() or "exit %s" % answer["code"])[-SHOWN_CHARACTERS:]
    try:
        [file] = json.loads(str(answer["text"]))["files"]
        verdict = str(file["verdict"])
    except (ValueError, LookupError, TypeError):
        return "unreadable", [words]
    if verdict == "unreadable":
        return verdict, [words]
    if VERDICTS.get(answer["code"]) != verdict:
        raise ValueError("it says %.40r with exit %s" % (verdict, answer["code"]))
    faults = [file["error"]] if file.get("error") else list(file.get("faults", []))
    return verdict, [_words(fault)[:SHOWN_CHARACTERS] for fault in faults[:MOST_FAULTS]]


def _words(fault: "Dict[str, Any]") -> str:
    where = "%s: " % fault["tensor"] if fault.get("tensor") else ""
    byte = fault.get("byte")
    return "%s%s%s" % (where, fault["what"], "" if byte is None else " (at byte %s)" % byte)


def remove_model(step: Step, report: Report) -> None:
    """Remove a file, a link itself, or the folder of a half download; never what a release uses."""
    path = models.inside(str(step["path"]))
    used = models.one({"path": path}).get("used_by", [])
    if used:
        raise RuntimeError("%s is used by %s, so it stays" % (path, ", ".join(used)))
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            making = os.path.dirname(path) == models.FOLDERS[1] and models.MAKING.fullmatch(os.path.basename(path))
            if os.path.dirname(path) != paths.INCOMING and not making:
                raise RuntimeError("%s is a folder, so it stays" % path)
            if making and models.being_made(path):
                raise RuntimeError("%s is being made, so it stays; next: invoke quantize, which goes on" % path)
            if not making and unit.at_work(os.path.basename(path)):
                raise RuntimeError("%s is being fetched or given to other boxes, so it stays" % path)
            shutil.rmtree(path)  # follows no link
        else:
            os.unlink(path)
            for end in models.BESIDE if os.path.dirname(path) == models.FOLDERS[1] else ():
                atomic.remove(path + end)
    atomic.sync_directory(os.path.dirname(path))
