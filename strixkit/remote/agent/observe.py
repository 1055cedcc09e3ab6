"""Answers to the questions of resources. Read-only; questions of one kind are answered together."""

from __future__ import annotations

import base64
import grp
import hashlib
import json
import os
import pwd
import stat
from typing import Any, Callable, Dict, List

from strixkit.remote.agent import apt, credentials, hashes, journal, loader, paths, systemd
from strixkit.remote.agent.atomic import read_json, read_text
from strixkit.remote.agent.later import later, named

Question = Dict[str, Any]
Answer = Dict[str, Any]
TYPES = (
    (stat.S_ISLNK, "symlink"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISREG, "file"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISFIFO, "pipe"),
)  # the rest are devices
SHOWN_BYTES = 65536  # up to this size the text itself travels, so that a difference can be shown


def _name(lookup: Callable[[int], Any], number: int, field: str) -> str:
    try:
        return str(getattr(lookup(number), field))
    except KeyError:
        return str(number)


def path(question: Question) -> Answer:
    """Type, owner, mode, and by wish the content's hash, of whatever lies at a path."""
    target = str(question["path"])
    try:
        info = os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        return {"type": "absent"}
    answer = _described(info)
    if answer["type"] == "symlink":
        answer.update(target=os.readlink(target), followed=_followed(target))
    elif answer["type"] == "file":
        answer["size"] = info.st_size
        if question.get("hash"):
            with open(target, "rb") as handle:
                data = handle.read()
            answer["sha256"] = hashlib.sha256(data).hexdigest()
            if len(data) <= SHOWN_BYTES and b"\0" not in data:
                answer["text"] = data.decode("utf-8", "replace")
    return answer


def _described(info: os.stat_result) -> Answer:
    return {
        "type": next((name for check, name in TYPES if check(info.st_mode)), "device"),
        "mode": stat.S_IMODE(info.st_mode),
        "owner": _name(pwd.getpwuid, info.st_uid, "pw_name"),
        "group": _name(grp.getgrgid, info.st_gid, "gr_name"),
    }


def _followed(target: str) -> Answer:
    """What a link leads to in the end; a circle leads nowhere."""
    try:
        return _described(os.stat(target))
    except OSError:
        return {"type": "absent"}


def secret(question: Question) -> Answer:
    """A file with a key: whether it holds one, and nothing by which the key could be told."""
    answer = path(question)
    if answer["type"] == "file":
        del answer["size"]
        answer["valid"] = credentials.valid(credentials.read(str(question["path"])))
    return answer


def user(question: Question) -> Answer:
    """The account and the names of its groups."""
    try:
        entry = pwd.getpwnam(str(question["name"]))
    except KeyError:
        return {"exists": False}
    groups = {group.gr_name for group in grp.getgrall() if entry.pw_name in group.gr_mem}
    groups.add(_name(grp.getgrgid, entry.pw_gid, "gr_name"))
    return {"exists": True, "home": entry.pw_dir, "shell": entry.pw_shell, "groups": sorted(groups)}


def group(question: Question) -> Answer:
    """Whether the group exists."""
    try:
        grp.getgrnam(str(question["name"]))
    except KeyError:
        return {"exists": False}
    return {"exists": True}


def artifact(question: Question) -> Answer:
    """A large file: its size, the hash if one was recorded for exactly this file, and what is half uploaded."""
    target = str(question["path"])
    answer: Answer = {"exists": False, "partial_bytes": 0}
    try:
        info = os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    else:
        kind = _described(info)["type"]
        answer.update(exists=True, type=kind, size=info.st_size, sha256=hashes.recorded(target))
    if question.get("sha256"):
        partial = paths.partial(target, str(question["sha256"]))
        if os.path.exists(partial):
            answer["partial_bytes"] = os.path.getsize(partial)
    return answer


def library_path(question: Question) -> Answer:
    """A file that names folders of libraries, and what of them the loader's cache lacks or still has."""
    file = path({"path": question["path"], "hash": True})
    return {"file": file, **loader.differences([str(folder) for folder in question["folders"]])}


def absent_packages(question: Question) -> Answer:
    """Packages that must not be there, as far as they are, and what would go with them."""
    from strixkit.remote.agent import purge

    return purge.unwanted([str(name) for name in question["names"]], bool(question["purge"]))


def modules(question: Question) -> Answer:
    """Those of the named kernel modules that are loaded."""
    loaded = {line.split(" ", 1)[0] for line in (read_text("/proc/modules", 1 << 20) or "").splitlines()}
    return {"loaded": [name for name in question["names"] if name in loaded]}


def kernel_arguments(question: Question) -> Answer:
    """What the boot loader gives the kernel."""
    from strixkit.remote.agent.boot import observe as boot
    from strixkit.remote.agent.machine import Machine

    return boot.kernel_arguments(question, Machine())


SINGLE: "Dict[str, Callable[[Question], Answer]]" = {
    "path": path,
    "secret": secret,
    "user": user,
    "group": group,
    "artifact": artifact,
    "model_file": later("models:one"),
    "absent_packages": absent_packages,
    "apt_repository": later("repository:observe"),
    "library_path": library_path,
    "modules": modules,
    "variable": later("variables:observe"),
    "tuned": later("tuning:tuned"),
    "power_profile": later("tuning:power_profile"),
    "build": later("build.question:build"),
    "builds": later("build.question:builds"),
    "download": later("fetch.question:download"),
    "evaluation": later("evaluate:question"),
    "product": later("make.question:product"),
    "kernel_arguments": kernel_arguments,
}
# Where it stands what of an answer changes by itself.
PASSING = {"download": "fetch.question:PASSING", "evaluation": "evaluate:PASSING", "product": "make.question:PASSING"}


def release(question: Question, unit: Answer, log: List[Dict[str, Any]]) -> Answer:
    """A service: which release is current, which ones passed the gate, and what runs."""
    home = os.path.join(paths.SERVICES, str(question["service"]))
    try:
        current = os.path.basename(os.readlink(home + "/current"))
    except OSError:
        current = ""
    kept = sorted(os.listdir(home + "/releases")) if os.path.isdir(home + "/releases") else []
    name = str(question["unit"])
    return {
        "current": current,
        "manifest": read_json("%s/releases/%s/manifest.json" % (home, current)) if current else None,
        "kept": kept,
        "gated": [item for item in journal.gated(log, str(question["service"])) if item in kept],
        "previous": journal.previous(log, str(question["service"]), current, kept),
        "unit": unit,
        "installed": read_text(os.path.join(paths.UNITS, name)),
        "binary": os.path.realpath(str(question["binary"])) if question.get("binary") else "",
        "loaded": credentials.loaded(name, str(question["key"])) if question.get("key") and unit["process"] else None,
    }


def answer_all(questions: List[Question]) -> List[Answer]:
    """Answer each question, in order; packages and units are asked for once for all."""
    wanted = sorted({str(name) for q in questions if q["ask"] == "packages" for name in q["names"]})
    packages = apt.installed(wanted)
    names = sorted({str(q["unit"]) for q in questions if q["ask"] in ("unit", "release")})
    units = {name: systemd.unit(name, shown) for name, shown in systemd.show(names).items()}
    log = journal.gatings() if any(q["ask"] == "release" for q in questions) else []
    answers: List[Answer] = []
    for question in questions:
        kind = question["ask"]
        if kind == "packages":
            answers.append({name: packages[name] for name in question["names"] if name in packages})
        elif kind == "unit":
            text = read_text(os.path.join(paths.UNITS, str(question["unit"])), 1 << 20)
            answers.append(dict(units[question["unit"]], text=text))
        elif kind == "release":
            answers.append(release(question, units[question["unit"]], log))
        else:
            answers.append(SINGLE[kind](question))
    return answers


def lasting(questions: List[Question], answers: List[Answer]) -> List[Answer]:
    """Answers as JSON has them, without what changes by itself and is no reason to plan again."""
    found = []
    for question, answer in zip(questions, json.loads(json.dumps(answers))):
        place = PASSING.get(str(question["ask"]))
        passing = named(place) if place else ()
        found.append({key: value for key, value in answer.items() if key not in passing})
    return found


def decode(step: Dict[str, Any]) -> bytes:
    """Return the content that a step carries."""
    return base64.b64decode(step["content"])
