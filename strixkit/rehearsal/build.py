"""Compile the rehearsal device for the ggml whose headers are there.

Stands alone (standard library, Python 3.9): the agent on the box imports this same file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from strixkit.rehearsal.errors import RehearsalError

FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden")
COMPILERS = ("cc", "gcc", "clang")
SECONDS = 120
SHOWN_LINES = 8


# Compiled by itself: it is loaded into programs without ggml as well.
PRELOADED = "preload.c"


class Device(NamedTuple):
    """The compiled device: for GGML_BACKEND_PATH, and for LD_PRELOAD."""

    backend: str
    preload: str


def compile_device(
    sources: Mapping[str, bytes], include: Sequence[str], folder: str, prefix: Sequence[str] = ()
) -> Device:
    """Compile `sources` (file name -> text) against the headers in `include`.

    The device is kept in `folder` under a hash of all that it is made of, ggml's headers included, so that nothing is
    compiled twice. prefix: words before each command, for a runtime that lies in a chroot where `folder` has the same
    path. Raises RehearsalError.
    """
    compiler = find_compiler(prefix)
    os.makedirs(folder, exist_ok=True)
    work = tempfile.mkdtemp(dir=folder)
    try:
        os.chmod(work, 0o755)  # the server may run as another user
        for name, text in sources.items():
            with open(os.path.join(work, name), "wb") as handle:
                handle.write(text)
        units = [os.path.join(work, name) for name in sorted(sources) if name.endswith(".c") and name != PRELOADED]
        preload = os.path.join(work, PRELOADED)
        command = [*prefix, compiler, *FLAGS, *("-I" + path for path in include)]
        # -P: without line markers, which name the temporary folder.
        expanded = _run([*command, "-E", "-P", *units, preload])
        target = os.path.join(folder, "device-" + hashlib.sha256(expanded).hexdigest()[:16])
        if not os.path.isdir(target):
            _run([*command, "-shared", "-pthread", "-o", os.path.join(work, "backend.so"), *units])
            _run([*command, "-shared", "-o", os.path.join(work, "preload.so"), preload])
            _rename(work, target)
        return Device(os.path.join(target, "backend.so"), os.path.join(target, "preload.so"))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def why_not(include: Sequence[str]) -> str:
    """Why the device cannot be compiled on this machine; empty if nothing is missing. Looks, and runs nothing."""
    if not include:
        return "the catalogue does not say where the headers of this runtime's ggml are (headers:)"
    if not any(os.path.isfile(os.path.join(path, "ggml-backend.h")) for path in include):
        return f"no ggml-backend.h in {', '.join(include)} (in Debian it is of libggml-dev)"
    if not any(shutil.which(name) for name in COMPILERS):
        return f"no C compiler: found none of {', '.join(COMPILERS)}"
    return ""


def _rename(work: str, target: str) -> None:
    """Put the finished folder in place, unless another process was faster."""
    try:
        os.rename(work, target)
    except OSError:
        if not os.path.isdir(target):
            raise


def find_compiler(prefix: Sequence[str] = ()) -> str:
    """The first C compiler that is there. Raises RehearsalError."""
    for name in COMPILERS:
        if not prefix and shutil.which(name) is None:
            continue
        try:
            done = subprocess.run([*prefix, name, "--version"], check=False, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return name
    raise RehearsalError("no C compiler: found none of {}".format(", ".join(COMPILERS)))


def _run(command: Sequence[str]) -> bytes:
    """The standard output of the compiler. Raises RehearsalError with its first lines."""
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RehearsalError(f"the rehearsal device does not compile: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()[:SHOWN_LINES]
        raise RehearsalError("the rehearsal device does not compile: {}".format("\n".join(lines)))
    return done.stdout
