"""`invoke models`: the model files on boxes: what they are, whether they are sound, and which may go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from strixkit.config.host import Host
from strixkit.config.names import unknown_name
from strixkit.engine.converge import converge
from strixkit.engine.events import Emit, Event
from strixkit.engine.values import Desired, Job, Outcome
from strixkit.errors import InputError, RemoteError, StrixError
from strixkit.fleet.verbs import Access, open_host, who
from strixkit.host.context import USER
from strixkit.host.describe import Description
from strixkit.host.models import Found, Half, Known, Models, catalogue, wanted_by_services, which
from strixkit.host.sandbox import sandbox
from strixkit.remote.agent.models import prunable
from strixkit.resources.base import Resource
from strixkit.resources.download import gigabytes
from strixkit.resources.model_file import CheckedModel, NoModel

ROLES = ("base", "tools")
UNUSED = "unused"


class Wishes:
    """Implements `strixkit.engine.converge.Describe` for wishes that need no facts."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.resources = tuple(resources)

    def facts_request(self) -> dict[str, Any]:
        """Nothing beside them."""
        return {}

    def desired(self, answer: dict[str, Any]) -> Desired:
        """The wishes."""
        return Desired(self.resources)


def listed(host: Host, access: Access, emit: Emit) -> Models:
    """What is there. Raises StrixError."""
    with closing(open_host(host, access)) as session:
        return _look(session, host, _wanted(host, emit))[0]


def verified(host: Host, access: Access, emit: Emit, *, full: bool) -> Models:
    """Read and check the files that were not yet, or all (`full`); what is there then. Raises StrixError."""
    with closing(open_host(host, access)) as session:
        wanted = _wanted(host, emit)
        before, answer = _look(session, host, wanted)
        paths = [item.path for item in before.files if not item.link and item.path.isprintable()]
        if not paths:
            return before
        built = converge(session, Description(host, only=ROLES), Job(who(), "build of strix-verify"), emit)
        if not built.ok or "tools" not in built.shown:
            raise StrixError(built.error or "strix-verify could not be built", host=host.name)
        wishes = [
            CheckedModel(
                path=path,
                since=float(answer["now"]) if full else None,
                build=built.shown["tools"],
                user=USER,
                sandbox=tuple(sandbox()),
            )
            for path in paths
        ]
        _must(converge(session, Wishes(wishes), Job(who(), "verification of models"), emit), host)
        return _look(session, host, wanted)[0]


def pruned(host: Host, access: Access, emit: Emit, names: Sequence[str]) -> Models:
    """Remove the named files, or with `unused` all that nothing uses; what is there then. Raises StrixError."""
    with closing(open_host(host, access)) as session:
        wanted = wanted_by_services(host)
        before, _ = _look(session, host, wanted)
        going = [item for name in names for item in chosen(before, name)]
        if not going:
            return before
        wishes = [
            NoModel(path=path, size=gigabytes(size), reason="no release and no service uses it")
            for path, size in dict.fromkeys(going)
        ]
        _must(converge(session, Wishes(wishes), Job(who(), "prune of models"), emit), host)
        return replace(_look(session, host, wanted)[0], removed=tuple(dict.fromkeys(going)))


def chosen(found: Models, name: str) -> list[tuple[str, int]]:
    """Path and bytes of what a name of `--prune` means. Raises InputError for what is not there, or is used."""
    if name == UNUSED:
        return list(found.prunable)
    sizes = {item.path: item.size for item in found.files} | {item.path: item.size for item in found.halves}
    paths = [path for path in sizes if path == name or path.endswith(f"/{name.lstrip('/')}")]
    if not paths:
        raise unknown_name("file", name, [path.rpartition("/")[2] for path in sizes])
    if len(paths) > 1:
        raise InputError(f"{name} is {' and '.join(paths)}", hint="--prune with the whole path")
    for item in found.files:
        if item.path == paths[0] and (item.used_by or item.wanted):
            users = ", ".join(item.used_by) or "a service of inventory.yaml"
            hint = "deploy another model first; a kept release goes when newer ones have taken its place"
            if users.startswith("process "):
                hint = "the same command when that has ended"
            elif users.startswith("unfinished "):
                hint = f"invoke quantize goes on with it; --prune {users.partition(' ')[2]} gives it up"
            raise InputError(f"{item.path} is used by {users}, so it stays; nothing was removed", hint=hint)
    if not paths[0].isprintable():  # the box cannot be told it as it is
        raise InputError(f"{paths[0]!r} has unprintable characters in its name", hint="remove it on the box by hand")
    return [(paths[0], sizes[paths[0]])]


def _must(outcome: Outcome, host: Host) -> None:
    if not outcome.ok:
        left = ", ".join(change.resource for change in outcome.remaining)
        raise StrixError(outcome.error or f"not done: {left}", host=host.name)


def _wanted(host: Host, emit: Emit) -> dict[str, list[str]]:
    """What is only looked at needs no inventory that is right."""
    try:
        return wanted_by_services(host)
    except InputError as error:
        emit(Event(host.name, "note", f"which files its services want is not known: {error.message}"))
        return {"paths": [], "sha256": []}


def _look(session: Any, host: Host, wanted: Mapping[str, Sequence[str]]) -> tuple[Models, dict[str, Any]]:
    answer = session.request("models", **wanted)
    try:
        return in_answer(host.name, answer, catalogue()), answer
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RemoteError(f"the agent's answer makes no sense: {error!r}", host=host.name) from error


def in_answer(host: str, answer: Mapping[str, Any], known: Sequence[Known]) -> Models:
    """The agent's answer, with what the catalogue says of each file."""
    return Models(
        host,
        tuple(_file(row, known) for row in answer["files"]),
        tuple(
            Half(
                str(row["path"]),
                int(row["bytes"]),
                float(row["seconds"]),
                bool(row["running"]),
                str(row["sha256"]),
                next((item for item in known if item.sha256 and item.sha256 == row["sha256"]), None),
            )
            for row in answer["halves"]
        ),
        int(answer["free_bytes"]),
        int(answer["total_bytes"]),
        tuple((path, size) for path, size in prunable(dict(answer)) if path.isprintable()),
    )


def _file(row: Mapping[str, Any], catalogue: Sequence[Known]) -> Found:
    path, sha256 = str(row["path"]), str(row["sha256"])
    known, by = which(path, sha256, catalogue)
    checked = row["checked"]
    return Found(
        path,
        int(row["size"]),
        str(row["link"]),
        sha256,
        tuple(str(name) for name in row["used_by"]),
        bool(row["wanted"]),
        dict(checked) if checked else None,
        known,
        by,
    )


Work = Callable[[Host, Access, Emit], Models]


def work_of(verify: bool, full: bool, prune: str) -> Work:
    """What the verb's flags ask for. Raises InputError for flags that go against each other."""
    if full and not verify:
        raise InputError("--full belongs to --verify", hint="--verify --full reads every file again")
    if verify and prune:
        raise InputError("--verify and --prune are two runs", hint="verify first, then prune what is not wanted")
    names = [name.strip() for name in prune.split(",") if name.strip()]
    if names:
        return lambda host, access, emit: pruned(host, access, emit, names)
    if verify:
        return lambda host, access, emit: verified(host, access, emit, full=full)
    return listed
