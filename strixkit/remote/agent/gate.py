"""Is the release good? Asked of the running server, not of files."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, List, Tuple

from strixkit.remote.agent import credentials, paths, systemd

Check = Dict[str, Any]
REQUEST_SECONDS = 1800  # a client that reconnects first may have a prompt of 200,000 tokens before the gate's
QUESTION = "Recite the alphabet."


def _check(name: str, ok: bool, text: str) -> Check:
    return {"name": name, "ok": ok, "text": text}


def ask(port: int, path: str, key: str, body: Any = None, address: str = "127.0.0.1") -> "Tuple[int, Any]":
    """One request to the local server; returns (status, JSON value). Raises OSError when it does not answer."""
    import http.client  # heavy, and only needed while a release is activated

    connection = http.client.HTTPConnection(address, port, timeout=REQUEST_SECONDS)
    headers = {"Content-Type": "application/json"}
    if not (key.isascii() and key.isprintable()):
        raise OSError("the key file holds something else than one line of printable ASCII")
    if key:
        headers["Authorization"] = "Bearer " + key
    try:
        payload = None if body is None else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, payload, headers)
        response = connection.getresponse()
        data = response.read(16 << 20)
    except http.client.HTTPException as error:
        raise OSError("answered no HTTP: %r" % error) from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(data)
    except ValueError:
        return response.status, {}


def check(unit: str, manifest: "Dict[str, Any]", port: int) -> "List[Check]":
    """All checks of a running release, worst news included; never raises for what the server does."""
    key = credentials.first_line(str(manifest["key_file"])) or "" if manifest.get("key_file") else ""
    address = str(manifest.get("gate_address", "127.0.0.1"))
    try:
        return [
            _health(port, address),
            *([_asks_for_key(port, address, key)] if manifest.get("key_file") else []),
            *_completion(port, address, key, bool(manifest["drafts"])),
            _context(port, address, key, int(manifest["context"])),
            _process(unit, manifest),
        ]
    except Exception as error:  # whatever the server answers, it must end in a verdict
        return [_check("answers", False, "the server on port %d did not answer: %s" % (port, error))]


def _health(port: int, address: str) -> Check:
    end = time.monotonic() + 60
    while True:
        status, body = ask(port, "/health", "", address=address)
        if status == 200 or time.monotonic() > end:
            return _check("health", status == 200, "/health answers %d %s" % (status, body.get("status", "")))
        time.sleep(0.1)


def _asks_for_key(port: int, address: str, key: str) -> Check:
    """A service that others can reach must refuse who has no key."""
    if not key:
        return _check("key", False, "the service must ask for a key, but its key file is empty or missing")
    status = ask(port, "/props", "", address=address)[0]
    return _check("key", status == 401, "without a key /props answers %d (wanted 401)" % status)


def _completion(port: int, address: str, key: str, drafts: bool) -> "List[Check]":
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24, "temperature": 0}
    status, answer = ask(port, "/v1/chat/completions", key, body, address)
    if status != 200:
        return [_check("completion", False, "a chat completion answers %d: %s" % (status, json.dumps(answer)[:300]))]
    message = answer["choices"][0]["message"]
    text = (message.get("reasoning_content") or "") + (message.get("content") or "")
    timings = answer.get("timings", {})
    rate = float(timings.get("predicted_per_second", 0.0))
    checks = [_check("completion", bool(text), "a chat completion answers %r at %.1f tokens/s" % (text[:40], rate))]
    if drafts:
        drafted, accepted = int(timings.get("draft_n", 0)), int(timings.get("draft_n_accepted", 0))
        checks.append(_check("drafts", drafted > 0, "%d of %d drafted tokens accepted" % (accepted, drafted)))
    return checks


def _context(port: int, address: str, key: str, wanted: int) -> Check:
    status, props = ask(port, "/props", key, address=address)
    found = int(props.get("default_generation_settings", {}).get("n_ctx", 0)) if status == 200 else 0
    return _check("context", found == wanted, "/props shows a context of %d (planned %d)" % (found, wanted))


def _process(unit: str, manifest: "Dict[str, Any]") -> Check:
    shown = systemd.show([unit])[unit]
    running = systemd.process(int(shown.get("MainPID", "0") or 0))
    folder = "/run/credentials/" + unit
    wanted = [word.replace("%d", folder, 1) if word.startswith("%d/") else word for word in manifest["argv"]]
    if not running:
        return _check("process", False, "unit %s has no process" % unit)
    if running["argv"] != wanted:
        odd = next((i for i, pair in enumerate(zip(running["argv"], wanted)) if pair[0] != pair[1]), len(wanted))
        return _check("process", False, "the process runs other arguments from number %d on" % odd)
    same = running["exe"] == os.path.realpath(wanted[0])
    return _check("process", same, "process %d runs %s with the rendered arguments" % (running["pid"], running["exe"]))


def key_path(service: str) -> str:
    """Where the API key of a service lies on the box."""
    return os.path.join(paths.CREDENTIALS, service + ".key")
