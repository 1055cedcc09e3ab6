"""`invoke quantize`: variants of a model are made on a host by the model's recipe."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from pydantic import ValidationError

from strixkit.config.host import Host
from strixkit.engine.converge import converge, look
from strixkit.engine.events import Emit
from strixkit.engine.values import Job, Outcome
from strixkit.errors import RemoteError
from strixkit.fleet.verbs import Access, open_host, who
from strixkit.host.describe import Description
from strixkit.host.making import Making, made_paths
from strixkit.host.provenance import Provenance

ROLES = ("base", "runtime", "quantize")


@dataclass(frozen=True)
class Made:
    """What became of a host, and the files of the run that are there, in the order in which they are made."""

    outcome: Outcome
    files: tuple[Provenance, ...]


def quantize(host: Host, access: Access, emit: Emit, wanted: Making, *, hold_at: str = "") -> Made:
    """Make what is missing, or is made of something else. Raises StrixError; nothing was touched then."""
    what = f"quantize {wanted.model}: {', '.join(wanted.variants)}"
    with closing(open_host(host, access)) as session:
        outcome = converge(session, Description(host, only=ROLES, making=wanted), Job(who(), what, hold_at), emit)
        answer = outcome.shown.get("provenance", [])
        if outcome.applied:
            answer = session.request("made", paths=made_paths(wanted))
        return Made(outcome, _read(host.name, answer))


def plan(host: Host, access: Access, emit: Emit, wanted: Making) -> Made:
    """What there is to do; nothing is touched. Raises StrixError."""
    with closing(open_host(host, access)) as session:
        desired, found = look(session, Description(host, only=ROLES, making=wanted), emit, only=True)
        notes = [*desired.notes, *desired.lacks]
        outcome = Outcome(host.name, changes=list(found.todo), notes=notes, round_trips=session.round_trips)
        return Made(outcome, _read(host.name, desired.shown.get("provenance", [])))


def _read(host: str, answer: object) -> tuple[Provenance, ...]:
    try:
        return tuple(Provenance.model_validate(item) for item in (answer if isinstance(answer, list) else []))
    except ValidationError as error:
        raise RemoteError(f"what is recorded of made files makes no sense: {error}", host=host) from error
