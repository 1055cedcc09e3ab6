"""`invoke pull`: the model files of hosts, fetched once from their origin for all of them together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from strixkit.config.host import Host
from strixkit.engine.converge import converge
from strixkit.engine.events import Emit, Event
from strixkit.engine.values import Job, Outcome
from strixkit.errors import ConnectError, DeniedError, StrixError
from strixkit.fleet.run import Failure, Report, each
from strixkit.fleet.sessions import Sessions
from strixkit.fleet.swarm import Seen, Sources, give, plan_sources, survey
from strixkit.fleet.verbs import Access, who
from strixkit.host.context import ModelFile
from strixkit.host.describe import Description
from strixkit.host.files import Wanted
from strixkit.host.swarm import PORT
from strixkit.resources.download import Download, Part

ROLES = ("base", "model")
MOST_ROUNDS = 5  # a box that vanishes costs the others a round
BACK_SECONDS = 90  # for a box that has lost its connection; a little more than the others wait for what only it has
PAUSE_SECONDS = 2
Parts = dict[str, dict[str, Part]]  # host -> path -> its part
Files = dict[str, tuple[ModelFile, list[str]]]  # sha256 -> a file that boxes fetch, and the hosts that want it


@dataclass(frozen=True)
class Pull:
    """What is pulled.

    known: hosts that may have a file and give it. wanted: a model instead of those of the services. sent: a file of
    this machine that is sent instead of being fetched. share: False: each host fetches for itself.
    """

    hosts: Sequence[Host]
    known: Sequence[Host]
    access: Access
    emit: Emit
    wanted: Wanted | None = None
    sent: Path | None = None
    share: bool = True


def pull(run: Pull) -> list[Report]:
    """Bring the files to the hosts; one's failure is in its report and stops nobody else.

    Each file has its turn: a box that is still at another one lets those wait in vain that need its part of this one.
    """
    found: dict[str, list[Report]] = {host.name: [] for host in run.hosts}

    def ready() -> list[Host]:
        return [host for host in run.hosts if all(report.outcome.ok for report in found[host.name])]

    for sha256, names in _turns(run).items():
        for report in _rounds(run, [host for host in ready() if host.name in names], sha256):
            found[report.outcome.host].append(report)
    for report in _rounds(run, ready()):
        found[report.outcome.host].append(report)
    return [joined(found[host.name]) for host in run.hosts]


def _turns(run: Pull) -> dict[str, set[str]]:
    """sha256 -> the hosts that lack this file; empty when they lack less than two files, and no turns are needed."""
    files = wanted_files(run.hosts, run.wanted) if run.share and run.sent is None else {}
    if len(files) < 2:
        return {}
    with Sessions(run.access) as sessions:
        answers = survey(run.hosts, [file for file, _ in files.values()], sessions)
    boxes = [answer for answer in answers if isinstance(answer, Seen)]
    lacking = {
        sha256: {box.host.name for box in boxes if box.host.name in names and not box.files[sha256].complete}
        for sha256, (_, names) in files.items()
    }
    turns = {sha256: names for sha256, names in lacking.items() if names}
    return turns if len(turns) > 1 else {}


def _rounds(run: Pull, hosts: Sequence[Host], sha256: str | None = None) -> list[Report]:
    """Bring a file, or all of them, to the hosts.

    When a box vanishes or can take no part, the others lack what only it would have: they share that among them in
    another round, as long as something changes.
    """
    done: dict[str, Report] = {}
    todo, before, had = list(hosts), None, dict.fromkeys((host.name for host in hosts), 0)
    for _ in range(MOST_ROUNDS):
        with Sessions(run.access) as sessions:
            parts: Parts = {}
            if run.share and run.sent is None:
                files = wanted_files(todo, run.wanted)
                boxes, silent = _look(run, todo, files, sessions)
                # Who did not say what it has takes no part: alone it would fetch what others have.
                done |= {name: Report(Outcome(name, error=item.text), item.exit_code) for name, item in silent.items()}
                todo = [host for host in todo if host.name not in silent]
                who_gives = {(box.host.name, key) for box in boxes for key, held in box.files.items() if held.complete}
                now = ({host.name for host in todo}, who_gives)
                have = {box.host.name: _arrived(box, sha256) for box in boxes}
                if now == before:  # the same boxes with the same sources: who has nothing would get nothing once more
                    some = any(have[host.name] > had[host.name] for host in todo)
                    todo = [host for host in todo if some and have[host.name]]
                if before is not None and any(have.get(host.name) for host in hosts if host not in todo):
                    break  # what a box has that is there must not come twice: the next run goes on with it
                if not todo:
                    break
                before, had = ({host.name for host in todo}, who_gives), have
                parts = _together(run, {host.name for host in todo}, files, boxes, sessions, sha256=sha256)
            work = partial(_one, run, sessions, parts, sha256)
            # All at once: who has not begun is waited for by the others.
            for report in each(todo, work, at_once=max(1, len(todo))):
                done[report.outcome.host] = report
        todo = [host for host in todo if done[host.name].outcome.applied and not done[host.name].outcome.ok]
        if not todo or not parts:
            break
        run.emit(Event(todo[0].name, "note", "looking once more who has what"))
    return [done[host.name] for host in hosts]


def _arrived(box: Seen, sha256: str | None) -> int:
    """Pieces that a box has of a file, or of all, as far as it has not all of it."""
    return sum(len(held.pieces) for key, held in box.files.items() if sha256 in {None, key} and not held.complete)


def _one(run: Pull, sessions: Sessions, parts: Parts, sha256: str | None, host: Host) -> Outcome:
    """One host. When its connection is lost and it is back soon, it goes on with its part, for which others wait."""
    own = parts.get(host.name)
    description = Description(host, only=ROLES, wanted=run.wanted, sent=run.sent, parts=own)
    if sha256 is not None:
        description.files = {name: file for name, file in description.files.items() if file.sha256 == sha256}
    deadline = 0.0
    while True:
        try:
            return converge(sessions.of(host), description, Job(who(), "pull"), run.emit)
        except ConnectError as error:
            deadline = deadline or time.monotonic() + BACK_SECONDS
            if not own or isinstance(error, DeniedError) or time.monotonic() > deadline:
                raise
            run.emit(Event(host.name, "note", f"{error.message}; trying again, since others wait for its part"))
        finally:
            sessions.drop(host)
        time.sleep(PAUSE_SECONDS)


def joined(runs: Sequence[Report | None]) -> Report:
    """What the runs on one host came to, one after the other: the last one's end with the changes of all."""
    found = [item for item in runs if item is not None]
    last, before = found[-1], [item.outcome for item in found[:-1]]
    outcome = last.outcome
    outcome.changes = [change for item in before for change in item.changes] + outcome.changes
    outcome.said = [text for item in before for text in item.said] + outcome.said
    outcome.round_trips += sum(item.round_trips for item in before)
    outcome.applied = outcome.applied or any(item.applied for item in before)
    return last


def _together(
    run: Pull, hosts: set[str], files: Files, boxes: list[Seen], sessions: Sessions, *, sha256: str | None
) -> Parts:
    """Each host's parts of a file, or of all. Boxes that have a file serve it from now on."""
    parts: Parts = {}
    for number, (file, wanting) in enumerate(files.values()):
        names = hosts.intersection(wanting)
        if sha256 not in {None, file.sha256}:
            continue
        found = plan_sources(file, boxes, names, port=PORT + number)
        part = next((sources.part for sources in found.values() if sources.part), None)
        if part is None:
            continue
        silent = give(file, boxes, part, sessions, run.emit)
        if silent:
            rest = [box for box in boxes if box.host.name not in silent]
            found = plan_sources(file, rest, names, port=PORT + number)
        for name, sources in found.items():
            if sources.part is not None:
                parts.setdefault(name, {})[file.path] = sources.part
                run.emit(Event(name, "note", f"{file.path} comes {_words(file, sources)}"))
    return parts


def sources_of(run: Pull) -> dict[str, list[str]]:
    """For a plan: host -> where each file comes from that it lacks."""
    files = wanted_files(run.hosts, run.wanted)
    with Sessions(run.access) as sessions:
        boxes, _ = _look(run, run.hosts, files, sessions)
    lines: dict[str, list[str]] = {}
    for file, names in files.values():
        for name, sources in plan_sources(file, boxes, names).items():
            lines.setdefault(name, []).append(f"{file.path} comes {_words(file, sources)}")
    return lines


def say_sources(run: Pull, reports: Sequence[Report]) -> None:
    """Add to each plan that has something to fetch where it comes from."""
    hosts = {host.name: host for host in run.hosts}
    fetching = {
        report.outcome.host: report.outcome
        for report in reports
        if any(change.resource.startswith(f"{Download.kind}:") for change in report.outcome.changes)
    }
    if not fetching:
        return
    found = sources_of(replace(run, hosts=[hosts[name] for name in fetching]))
    for name, outcome in fetching.items():
        outcome.notes += found.get(name, [])


def _words(file: ModelFile, sources: Sources) -> str:
    return sources.words(file.origin.text if file.origin else "its origin")


def wanted_files(hosts: Sequence[Host], wanted: Wanted | None) -> Files:
    """The files that boxes fetch. A host whose wishes are wrong is left out: its own run says what is wrong."""
    found: Files = {}
    for host in hosts:
        try:
            files = Description(host, only=ROLES, wanted=wanted).files.values()
        except StrixError:
            continue
        for file in files:
            if file.origin is not None and file.sha256 is not None:
                names = found.setdefault(file.sha256, (file, []))[1]
                if host.name not in names:
                    names.append(host.name)
    return found


def _look(run: Pull, hosts: Sequence[Host], files: Files, sessions: Sessions) -> tuple[list[Seen], dict[str, Failure]]:
    """What the hosts have, and which of them gave no answer.

    The other known hosts are asked only for what one of these lacks; their silence is a note.
    """
    wanted = [file for file, _ in files.values()]
    if not wanted:
        return [], {}
    answers = dict(zip((host.name for host in hosts), survey(hosts, wanted, sessions), strict=True))
    boxes = [answer for answer in answers.values() if isinstance(answer, Seen)]
    silent = {name: answer for name, answer in answers.items() if isinstance(answer, Failure)}
    named = {host.name for host in hosts}
    rest = list({host.name: host for host in run.known if host.name not in named}.values())
    if not rest or all(holding.complete for box in boxes for holding in box.files.values()):
        return boxes, silent
    others = dict(zip((host.name for host in rest), survey(rest, wanted, sessions), strict=True))
    boxes += [answer for answer in others.values() if isinstance(answer, Seen)]
    unasked = [name for name, answer in others.items() if isinstance(answer, Failure)]
    if unasked:
        run.emit(Event(hosts[0].name, "note", f"not reached, so not asked for the files: {', '.join(unasked)}"))
    return boxes, silent
