"""The loop of the agent: one JSON request a line in, one JSON answer a line out, events between."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, BinaryIO, Callable, Dict

Request = Dict[str, Any]
MAX_LINE = 256 << 20
MAX_CHUNK = 16 << 20  # bytes of one piece of an upload
FACTS_SECONDS = 60  # above the limits of the commands among them (machine.py)
ALIVE_SECONDS = 10  # well below the controller's patience (remote/session.py: SILENCE_SECONDS)
_SENDING = threading.Lock()


def _send(value: Dict[str, Any]) -> None:
    data = json.dumps(value).encode() + b"\n"
    with _SENDING:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _say_alive() -> None:
    """Tell the controller that the box is still there, however long an answer takes.

    It answers with an empty line. A session that holds a lock and hears nothing has lost its controller.
    """
    from strixkit.remote.agent import lock

    while True:
        time.sleep(ALIVE_SECONDS)
        if lock.is_ours() and lock.silent():
            os._exit(75)
        _send({"event": "alive"})


def facts(request: Request) -> Dict[str, Any]:
    """Facts of the box, of the runtime and of the models that the request names, and the running job."""
    from strixkit.rehearsal import build
    from strixkit.remote.agent import facts as host
    from strixkit.remote.agent import journal, lock, probe
    from strixkit.remote.agent.held import held
    from strixkit.remote.agent.machine import Machine
    from strixkit.remote.agent.patience import within

    known = [str(item) for item in request.get("known", [])]
    found = within(FACTS_SECONDS, lambda: host.gather(Machine()), "the box's facts")
    answer: Dict[str, Any] = {"uid": os.geteuid(), "facts": found, "job": lock.state()}
    if request.get("runtime"):
        answer["runtime"] = probe.runtime(str(request["runtime"]), known)
        answer["rehearsal"] = build.why_not([str(path) for path in request.get("headers", [])])
    answer["models"] = [probe.model(str(path), known) for path in request.get("models", [])]
    if request.get("builds"):
        from strixkit.remote.agent.build import question

        answer["builds"] = question.for_facts([str(name) for name in request["builds"]], known)
    if request.get("tools"):
        from strixkit.remote.agent import tools

        binaries = [answer.get("runtime"), *(item.get("binary") for item in answer.get("builds", []))]
        for binary in [item for item in binaries if item and item.get("present")]:
            binary["tools"] = tools.of(binary["binary"], [str(name) for name in request["tools"]])
    if request.get("made"):
        answer["made"] = made({"paths": request["made"]})
    services = [str(name) for name in request.get("services", [])]
    what = "what the services hold"
    answer["services"] = within(FACTS_SECONDS, lambda: {name: held(name) for name in services}, what)
    if os.geteuid() == 0:
        answer["unfinished"] = journal.unfinished(journal.entries())
    return answer


def examine(request: Request) -> Dict[str, Any]:
    """Facts and evidence for the doctor; see agent/examine.py."""
    from strixkit.remote.agent import examine as evidence
    from strixkit.remote.agent.machine import Machine

    return evidence.examine(Machine(), request)


def headers(request: Request) -> Any:
    """The headers of the GGUF files at `paths`, in order."""
    from strixkit.remote.agent import header

    return header.read([str(path) for path in request["paths"]])


def observe(request: Request) -> Any:
    """Answers to the questions, in order."""
    from strixkit.remote.agent import observe as states

    return states.answer_all(request["questions"])


def apply(request: Request) -> Dict[str, Any]:
    """Start the job and watch it to its end."""
    from strixkit.remote.agent import job, program

    held = job.start(request, program.zipped())
    return {"locked": held} if held else _watch()


def attach(request: Request) -> Dict[str, Any]:
    """Watch a job that an earlier run left behind."""
    return _watch()


def _watch() -> Dict[str, Any]:
    from strixkit.remote.agent import job

    last: Dict[str, Any] = {}
    for event in job.follow(sys.stdin.fileno()):
        last = event
        if event["event"] != "end":
            _send(event)
    return last


def boot(request: Request) -> Dict[str, Any]:
    """Which boot this is; with `settle`, when its devices are there."""
    from strixkit.remote.agent import reboot

    return reboot.boot(settle=bool(request.get("settle")))


def claim(request: Request) -> Dict[str, Any]:
    """Lock the box for this session before files are sent."""
    from strixkit.remote.agent import lock

    return {"locked": lock.claim(request)}


def room(request: Request) -> Dict[str, Any]:
    """The folder where a file will be, made if there is none yet, and its free bytes."""
    folder = os.path.dirname(str(request["target"]))
    os.makedirs(folder, mode=0o755, exist_ok=True)
    found = os.statvfs(folder)
    return {"folder": folder, "free_bytes": found.f_bavail * found.f_frsize}


def receive(request: Request) -> Dict[str, Any]:
    """Take `size` raw bytes from stdin and put them into the half file of `sha256` at `offset`.

    All bytes are taken before anything can fail: what is left on stdin would be read as requests.
    """
    from strixkit.remote.agent import paths

    size, offset = int(request["size"]), int(request["offset"])
    if not 0 <= size <= MAX_CHUNK:
        sys.exit("a chunk of %d bytes, at most %d are taken" % (size, MAX_CHUNK))
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        sys.exit("the connection ended in the middle of an upload")
    path = paths.partial(str(request["target"]), str(request["sha256"]))
    with open(path, "ab", opener=_private) as handle:
        if handle.tell() < offset:
            raise RuntimeError("the piece before byte %d is missing" % offset)
        handle.truncate(offset)  # what was sent before is a prefix of the same file
        handle.write(data)
    return {"bytes": offset + size}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def journal(request: Request) -> Any:
    """The newest entries of the journal."""
    from strixkit.remote.agent import journal as record

    return record.entries(int(request.get("limit", 50)))


def key(request: Request) -> Dict[str, Any]:
    """The API key of a service; the only request whose answer holds a secret."""
    from strixkit.remote.agent import credentials
    from strixkit.remote.agent.gate import key_path

    return {"key": credentials.first_line(key_path(os.path.basename(str(request["service"]))))}


def chat(request: Request) -> Dict[str, Any]:
    """One chat completion, asked on the box itself, of the release that is in service."""
    from strixkit.remote.agent import gate, paths
    from strixkit.remote.agent.atomic import read_json

    service = os.path.basename(str(request["service"]))
    manifest = read_json("%s/%s/current/manifest.json" % (paths.SERVICES, service))
    if not manifest:
        return {"status": 0, "answer": "no release of it is in service"}
    key_text = key(request)["key"] or ""
    address, port = str(manifest["gate_address"]), int(manifest["port"])
    try:
        status, answer = gate.ask(port, "/v1/chat/completions", key_text, request["body"], address)
    except OSError as error:
        return {"status": 0, "answer": "nobody answers at %s port %d: %s" % (address, port, error)}
    return {"status": status, "answer": answer}


def rehearse(request: Request) -> Dict[str, Any]:
    """Run a release, of which the manifest is given, on a device that computes nothing; see agent/dryrun.py."""
    from strixkit.remote.agent import dryrun

    return dryrun.to_json(dryrun.hold(request["manifest"], [int(tokens) for tokens in request["prompts"]]))


def pack(request: Request) -> Dict[str, Any]:
    """A piece of a finished build as one file; see agent/build/pack.py."""
    from strixkit.remote.agent.build import pack as packs

    return packs.pack(request)


def cancel(request: Request) -> Dict[str, Any]:
    """End the build that runs; see agent/build/cancel.py."""
    from strixkit.remote.agent.build import cancel as building

    return building.cancel(str(request["who"]))


def models(request: Request) -> Dict[str, Any]:
    """The model files and who uses them; see agent/models.py."""
    from strixkit.remote.agent import models as files

    return files.models(request)


def cancel_work(request: Request) -> Dict[str, Any]:
    """End what a verb has left at work; see agent/cancel.py."""
    from strixkit.remote.agent import cancel as work

    return work.cancel(str(request["verb"]))


def gpu_probe(request: Request) -> Dict[str, Any]:
    """Measure the GPU with our own program; see agent/gpu_probe.py."""
    from strixkit.remote.agent import gpu_probe as probes

    return probes.run(request)


def kept_probe(request: Request) -> Dict[str, Any]:
    """What was measured before."""
    from strixkit.remote.agent import gpu_probe as probes

    return probes.kept(request)


def keep_probe(request: Request) -> Dict[str, Any]:
    """Keep what was measured, for the doctor."""
    from strixkit.remote.agent import gpu_probe as probes

    return probes.keep(request)


def swarm(request: Request) -> Dict[str, Any]:
    """What this box has of files that several boxes want; see agent/fetch/question.py."""
    from strixkit.remote.agent.fetch import question

    return question.swarm(request)


def share(request: Request) -> Dict[str, Any]:
    """Serve a complete file to other boxes; see agent/fetch/share.py."""
    from strixkit.remote.agent.fetch import share as sharing

    return sharing.share(request)


def evaluations(request: Request) -> Any:
    """What finished runs of an evaluation have printed; see agent/evaluate.py."""
    from strixkit.remote.agent import evaluate

    return evaluate.outputs(request)


def made(request: Request) -> Any:
    """The provenance of files that were made; see agent/make/question.py."""
    from strixkit.remote.agent.make import question

    return question.made(request)


REQUESTS: "Dict[str, Callable[[Request], Any]]" = {
    "facts": facts,
    "examine": examine,
    "headers": headers,
    "observe": observe,
    "apply": apply,
    "attach": attach,
    "boot": boot,
    "claim": claim,
    "room": room,
    "receive": receive,
    "journal": journal,
    "key": key,
    "chat": chat,
    "rehearse": rehearse,
    "cancel": cancel,
    "cancel_work": cancel_work,
    "pack": pack,
    "models": models,
    "gpu_probe": gpu_probe,
    "kept_probe": kept_probe,
    "keep_probe": keep_probe,
    "evaluations": evaluations,
    "swarm": swarm,
    "share": share,
    "made": made,
}


def serve(requests: BinaryIO) -> None:
    """Answer until the connection ends."""
    from strixkit.remote.agent import lock

    while True:
        line = requests.readline(MAX_LINE)
        if not line:
            return
        lock.heard()
        if line == b"\n":
            continue
        try:
            request = json.loads(line)
            answer = REQUESTS[request["do"]](request)
        except Exception as error:  # the controller must get an answer, whatever went wrong here
            _send({"event": "answer", "ok": False, "error": "%s: %s" % (type(error).__name__, error)})
        else:
            _send({"event": "answer", "ok": True, "value": answer})


def main() -> int:
    """Entry point: `job` runs the steps of the request in /run, `clean-up` comes after it, nothing serves a session."""
    if sys.argv[1:]:
        from strixkit.remote.agent import job

        return {"job": job.run, "clean-up": job.clean_up}[sys.argv[1]]()
    threading.Thread(target=_say_alive, daemon=True).start()
    _send({"event": "hello", "python": list(sys.version_info[:3]), "host": os.uname().nodename})
    serve(sys.stdin.buffer)
    return 0
