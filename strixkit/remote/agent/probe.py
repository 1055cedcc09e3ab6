"""What a runtime's binary says of itself, and what a model's header says. The controller caches both."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import subprocess
from typing import Any, Dict, List

HELP_SECONDS = 60
SHOWN_LINES = 5
SHOWN_CHARACTERS = 1000
MODEL_FLAG = re.compile(r"^-m,|--model\b", re.MULTILINE)


def _identity(binary: str) -> str:
    """Hash of the binary's bytes and of the stat of the libraries in its own folder (a build ships both)."""
    real = os.path.realpath(binary)
    digest = hashlib.sha256()
    with open(real, "rb") as handle:
        for chunk in iter(lambda: handle.read(1 << 20), b""):
            digest.update(chunk)
    folders = [os.path.dirname(real)] + ([] if not real.startswith("/usr/") else _system_folders())
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if name.startswith(("libllama", "libggml", "libmtmd")) and ".so" in name:
                info = os.stat(os.path.join(folder, name))
                digest.update(("%s:%d:%d;" % (name, info.st_size, info.st_mtime_ns)).encode())
    return digest.hexdigest()


def _system_folders() -> List[str]:
    multiarch = "/usr/lib/%s-linux-gnu" % os.uname().machine
    return [folder for folder in (multiarch, multiarch + "/llama.cpp") if os.path.isdir(folder)]


def runtime(binary: str, known: List[str]) -> Dict[str, Any]:
    """Identity of the binary, and its `--help` and `--version` unless the controller already has them.

    A binary that cannot say what it knows gets an `error` instead: the same file may work when a library is there.
    """
    if not os.access(binary, os.X_OK):
        return {"binary": binary, "present": False}
    identity = _identity(binary)
    answer: Dict[str, Any] = {"binary": binary, "present": True, "identity": identity}
    if identity in known:
        return answer
    try:
        answer.update(help=_ask(binary, "--help"), version=_ask(binary, "--version"))
        if not MODEL_FLAG.search(answer["help"]):
            raise RuntimeError("%s --help names no --model: %s" % (binary, _first_lines(answer["help"])))
    except RuntimeError as error:
        return {"binary": binary, "present": True, "identity": identity, "error": str(error)}
    return answer


def _ask(binary: str, flag: str) -> str:
    """What it prints; raises RuntimeError with its first lines when it fails."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        done: "subprocess.CompletedProcess[bytes]" = subprocess.run(
            [binary, flag],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd="/",
            timeout=HELP_SECONDS,
            **as_nobody(),
        )
    except PermissionError as error:
        raise RuntimeError("user nobody may not run %s, so the service's user may not either" % binary) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError("%s %s: %s" % (binary, flag, error)) from error
    if done.returncode != 0:
        said = _first_lines((done.stderr or done.stdout).decode("utf-8", "replace"))
        raise RuntimeError("%s %s failed (exit %d): %s" % (binary, flag, done.returncode, said))
    # Builds write the version to stderr and the help to stdout.
    return (done.stdout or done.stderr).decode("utf-8", "replace")


def as_nobody() -> Dict[str, Any]:
    """Arguments that take root's rights from a child: a build may belong to somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _first_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:SHOWN_LINES])[:SHOWN_CHARACTERS] or "it said nothing"


def model(path: str, known: List[str]) -> Dict[str, Any]:
    """Presence, size and header of a GGUF on this box; the header is left out when the controller has it."""
    try:
        info = os.stat(path)
    except OSError:
        return {"path": path, "present": False}
    identity = "%s:%d:%d:%d" % (path, info.st_size, info.st_mtime_ns, info.st_ino)
    answer: Dict[str, Any] = {"path": path, "present": True, "size": info.st_size, "identity": identity}
    from strixkit.remote.agent.make import work

    record = work.provenance(path)
    if record:
        answer["provenance"] = record
    if identity in known:
        return answer
    from strixkit.planner import gguf

    try:
        with open(path, "rb") as handle:
            header = gguf.read_header(handle, info.st_size)
        answer["header"] = gguf.summary(header, info.st_size)
    except (gguf.GgufError, OSError) as error:
        answer["error"] = str(error)
    return answer
