"""What runs in the transient unit on a box, as the service's user: one JSON request in, one JSON answer out.

Stands alone (standard library, Python 3.9).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

from strixkit.rehearsal import arguments, build, model, server
from strixkit.rehearsal.errors import RehearsalError
from strixkit.rehearsal.sources import sources

UNLIMITED_MIB = 1 << 20  # the device refuses nothing: what is too large is found when sizes are compared


def main() -> int:
    """Read the request from stdin and answer on stdout."""
    request = json.load(sys.stdin.buffer)
    json.dump(answer(request), sys.stdout)
    return 0


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The outcome of the run as JSON values, or `why` there was none."""
    try:
        return hold(request)._asdict()
    except RehearsalError as error:
        return {"why": str(error)}


def hold(request: dict[str, Any]) -> server.Outcome:
    """Run the server of the request: argv, environment, model, headers, device, prompts (tokens), seconds."""
    argv = [str(word) for word in request["argv"]]
    cache = os.environ.get("CACHE_DIRECTORY") or tempfile.gettempdir()
    device, headers = str(request["device"]), [str(path) for path in request["headers"]]
    if why := build.why_not(headers):
        raise RehearsalError(why)
    compiled = build.compile_device(sources(), headers, cache)
    base = {**request["environment"], "PATH": "/usr/bin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8"}
    environment = arguments.rehearsal_environment(base, compiled, device, UNLIMITED_MIB, UNLIMITED_MIB)
    server.check_device(argv[:1], environment, device)
    with tempfile.TemporaryDirectory() as work:
        hollow = model.hollow_copy(str(request["model"]), os.path.join(work, "model.gguf"))
        port = server.free_port()
        command = [argv[0], *arguments.rehearsal_arguments(argv[1:], hollow, port)]
        prompts = [int(tokens) for tokens in request["prompts"]]
        log = os.path.join(work, "log")
        return server.run(command, environment, log, port, prompts=prompts, seconds=float(request["seconds"]))
