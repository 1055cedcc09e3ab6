"""`invoke probe`: our own program measures a box's GPU, and what its models could do at most with that."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from strixkit.config.host import Host
from strixkit.engine.converge import converge, look
from strixkit.engine.events import Emit, Event
from strixkit.engine.values import Job, Outcome
from strixkit.errors import InputError, RemoteError, StrixError
from strixkit.fleet.verbs import Access, open_host, who
from strixkit.host.context import ROCM, USER, ServiceState, environment_of
from strixkit.host.describe import Description
from strixkit.host.provision import no_gpu_by_nature
from strixkit.host.sandbox import sandbox
from strixkit.planner.ceiling import Ceiling, acceptance_of_share, ceiling
from strixkit.planner.facts import Facts
from strixkit.planner.gguf import Header
from strixkit.planner.run import CacheTypes
from strixkit.runtime.probe import Probe, kept, parse, parse_saved

ROLES = ("base", "tools")
DOCUMENTED = (0, 1)  # exit codes of strix-probe that come with a document: computes right, computes wrong
SHORT = 4096  # tokens of context that nearly every conversation has
SECONDS = 600
SOFTWARE = ("--shapes", "small", "--mib", "64", "--seconds", "0.1")  # the model's own would take a processor an hour
ACCEPTANCE = 0.885  # share of drafted tokens that are accepted, from the model card's own log


@dataclass(frozen=True)
class Decoding:
    """A model's decode ceilings with one state of its context. what: e.g. `main, 140000 tokens, f16`."""

    what: str
    plain: Ceiling
    drafted: Ceiling | None = None
    drafts: int = 0


@dataclass(frozen=True)
class Probed:
    """What was measured on a host, and what it means for its services."""

    host: str
    probe: Probe
    decoding: tuple[Decoding, ...]


def probe(host: Host, access: Access, emit: Emit, *, backend: str, acceptance: float) -> Probed:
    """Build strix-probe on the host if it is not there, run it on a backend, and keep the result for the doctor.

    acceptance: share of drafted tokens that are accepted, 0 to 1. Raises StrixError, RemoteError.
    """
    with closing(open_host(host, access)) as session:
        outcome = converge(session, Description(host, only=ROLES), Job(who(), "build of strix-probe"), emit)
        facts = _ready(host, outcome)
        for user in facts.gpu_users:
            emit(
                Event(host.name, "note", f"{user.command} ({user.pid}) has the GPU open: what it does is in the rates")
            )
        emit(Event(host.name, "note", f"measuring on {backend}; this takes a minute or two"))
        answer = session.request(
            "gpu_probe",
            id=outcome.shown["tools"],
            arguments=["--json", "--device", backend, *(SOFTWARE if no_gpu_by_nature(facts) else ())],
            user=USER,
            sandbox=sandbox(),
            environment=environment_of(outcome.shown["runtime"], host, _device(backend)),
            seconds=SECONDS,
        )
        found = _read(host.name, backend, answer)
        _keep(session, facts, found)
        return Probed(host.name, found, tuple(_decoding(session, host, emit, found.read.gbps, acceptance)))


def _device(backend: str) -> str:
    """As ggml names a backend's device: it has the environment that a service on it has."""
    return f"{ROCM}0" if backend == "hip" else backend


def _ready(host: Host, outcome: Outcome) -> Facts:
    if not outcome.ok or "tools" not in outcome.shown:
        raise StrixError(outcome.error or "strix-probe could not be built", host=host.name)
    facts: Facts = outcome.shown["facts"]
    return facts


def _read(host: str, backend: str, answer: Any) -> Probe:
    """The document in the agent's answer. Raises RemoteError with what the program said instead."""
    try:
        code, text, words = answer["code"], str(answer["text"]), str(answer["words"]) + str(answer["error"])
    except (KeyError, TypeError) as error:
        raise RemoteError("the answer makes no sense", host=host) from error
    if code not in DOCUMENTED:
        said = words.strip().splitlines()
        why = said[-1][:300] if said else f"exit {code}"
        raise RemoteError(
            f"strix-probe measured nothing on {backend}: {why}",
            host=host,
            hint=f"invoke doctor --host {host} says what is wrong with the GPU; --device names another backend",
        )
    try:
        found = parse(text)
    except RemoteError as error:
        raise RemoteError(error.message, host=host) from error
    if (found.device.backend, found.right) != (backend, code == 0):
        got = f"{found.device.backend}, {'right' if found.right else 'wrong'}, exit {code}"
        raise RemoteError(f"strix-probe's answer makes no sense: it was to measure {backend}; {got}", host=host)
    return found


def _keep(session: Any, facts: Facts, found: Probe) -> None:
    """Beside the results of other backends. A file that makes no sense is replaced."""
    saved = None
    answer = session.request("kept_probe")
    text = answer.get("text") if isinstance(answer, dict) else None
    if text:
        try:
            saved = parse_saved(str(text))
        except RemoteError:
            saved = None
    document = kept(saved, found, at=int(time.time()), kernel=facts.kernel, packages=facts.packages)
    session.request("keep_probe", text=json.dumps(document, indent=1) + "\n")


def _decoding(session: Any, host: Host, emit: Emit, gbps: float, share: float) -> list[Decoding]:
    """For each service whose model's header can be read. That there is none yet is no failure of the probe."""
    description = Description(host, preview=True)
    try:
        desired, _ = look(session, description, emit, only=True)
    except InputError as error:
        emit(Event(host.name, "note", f"no decode ceilings: {error.message}"))
        return []
    states: tuple[ServiceState, ...] = desired.shown["services"]
    found = []
    for state in states:
        header = description.headers.get(state.name)
        if header is None or state.plan is None:
            emit(Event(host.name, "note", f"service {state.name}: no decode ceiling without the model's file"))
            continue
        options = state.plan.options
        for context in dict.fromkeys((min(SHORT, state.plan.sequence), state.plan.sequence)):
            found.append(_ceilings(header, options, context, gbps, share))
    return found


def _ceilings(header: Header, options: Any, context: int, gbps: float, share: float) -> Decoding:
    kv = CacheTypes(str(options["kv.k"]), str(options["kv.v"]))
    what = f"{options['server.alias']}, {context} tokens, {kv}"
    plain = ceiling(header, gbps, context=context, kv=kv)
    drafts = int(options.get("draft.max", 0)) if options.get("draft.type", "none") != "none" else 0
    if not drafts:
        return Decoding(what, plain)
    drafted = ceiling(
        header,
        gbps,
        context=context,
        kv=kv,
        drafts=drafts,
        acceptance=acceptance_of_share(drafts, share),
        draft_kv=CacheTypes(str(options["draft.k"]), str(options["draft.v"])),
    )
    return Decoding(what, plain, drafted, drafts)
