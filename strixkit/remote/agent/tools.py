"""Which tools lie beside a runtime's server, and which types its llama-quantize knows."""

from __future__ import annotations

import os
import subprocess
from typing import Any, Dict, List

from strixkit.remote.agent.probe import HELP_SECONDS, as_nobody

QUANTIZE = "llama-quantize"
MOST_CHARACTERS = 65536


def of(binary: str, names: "List[str]") -> "Dict[str, Any]":
    """Those of `names` in the folder of a binary, and the help of llama-quantize if it is asked for."""
    folder = os.path.dirname(binary)
    there = [name for name in names if os.access(os.path.join(folder, os.path.basename(name)), os.X_OK)]
    answer: "Dict[str, Any]" = {"present": there, "quantize_help": ""}
    if QUANTIZE in there:
        answer["quantize_help"] = _help(os.path.join(folder, QUANTIZE))
    return answer


def _help(path: str) -> str:
    """What it prints, whatever its exit status: it is 1 for --help. Empty when it cannot be run."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    try:
        done: "subprocess.CompletedProcess[bytes]" = subprocess.run(
            [path, "--help"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            timeout=HELP_SECONDS,
            **as_nobody(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")[:MOST_CHARACTERS]
