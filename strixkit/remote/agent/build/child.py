"""What runs in the transient unit as the service's user: a build's programs. One JSON request in, one answer out."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, List

from strixkit.rehearsal import server
from strixkit.rehearsal.arguments import ADDRESS

Request = Dict[str, Any]
OUTPUT_BYTES = 1 << 20
LOG_BYTES = 16384
ANSWER_BYTES = 16 << 20


def main() -> int:
    """Read the request from stdin and answer on stdout."""
    request = json.load(sys.stdin.buffer)
    answer = serve(request) if "body" in request else [run(item) for item in request["runs"]]
    json.dump(answer, sys.stdout)
    return 0


def run(item: Request) -> Request:
    """Run a program to its end: argv, environment, seconds. `code` is None when it did not end by itself.

    apart: `text` is what it printed on stdout alone, and `words` what it said on stderr.
    """
    apart = bool(item.get("apart"))
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as words:
        answer: Request = {"code": None, "error": ""}
        try:
            answer["code"] = subprocess.run(
                [str(word) for word in item["argv"]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=words if apart else subprocess.STDOUT,
                env=_environment(item),
                cwd="/",
                timeout=float(item["seconds"]),
            ).returncode
        except subprocess.TimeoutExpired:
            answer["error"] = "did not end within %g s" % item["seconds"]
        except OSError as error:
            answer["error"] = "does not start: %s" % error.strerror
        return dict(answer, text=_head(output), words=_head(words))


def _head(output: Any) -> str:
    output.seek(0)
    return str(output.read(OUTPUT_BYTES).decode("utf-8", "replace"))


def serve(request: Request) -> Request:
    """Start a server, wait until it is ready, ask it one thing, end it.

    request: argv with {port}, environment, body, seconds.
    """
    port, deadline = server.free_port(), time.monotonic() + float(request["seconds"])
    argv: List[str] = [str(word).replace("{port}", str(port)) for word in request["argv"]]
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(request),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return {"failure": "the server does not start: %s" % error.strerror, "answer": None, "log": ""}
        answer: Any = None
        try:
            failure = server.wait(process, port, deadline)
            if not failure:
                failure, answer = _ask(port, request["body"], deadline)
        finally:
            server.end(process)
        log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_BYTES))
        return {"failure": failure, "answer": answer, "log": log.read().decode("utf-8", "replace")}


def _ask(port: int, body: Any, deadline: float) -> Any:
    """(why there is no answer, the answer)."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=max(1.0, deadline - time.monotonic()))
    try:
        connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read(ANSWER_BYTES)
        if response.status != 200:
            return "a completion answers %d: %s" % (response.status, data[:300].decode("utf-8", "replace")), None
        return "", json.loads(data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return "a completion was not answered: %s" % (error or type(error).__name__), None
    finally:
        connection.close()


def _environment(item: Request) -> Dict[str, str]:
    cache = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    own = {"XDG_CACHE_HOME": cache, "MESA_SHADER_CACHE_DIR": cache} if cache else {}
    base = {"PATH": "/usr/bin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8"}
    return {**base, **own, **{str(name): str(value) for name, value in item["environment"].items()}}
