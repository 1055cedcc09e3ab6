"""`invoke rehearse`: the releases to be, run on a box on a device that computes nothing. Nothing of it is changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from pydantic import ValidationError

from strixkit.config.host import Host
from strixkit.config.names import unknown_name
from strixkit.engine.converge import look
from strixkit.engine.events import Emit
from strixkit.errors import InputError, RemoteError
from strixkit.fleet.verbs import Access, open_host
from strixkit.host.context import ServiceState
from strixkit.host.describe import Description
from strixkit.planner.choice import MemoryPlan
from strixkit.planner.rehearsal import Rehearsed
from strixkit.resources.release import Release

LAST_TOKENS = 8  # of a context, left for the answer


@dataclass(frozen=True)
class Rehearsal:
    """One service: its plan, and what the box answered. `prompt` is the length of the prompt in tokens, or 0."""

    host: str
    service: str
    profile: str
    release: str
    plan: MemoryPlan
    prompt: int
    found: Rehearsed


def rehearse(
    host: Host, access: Access, emit: Emit, *, service: str, profiles: dict[str, str], prompt: int
) -> list[Rehearsal]:
    """Rehearse the release that a deploy would bring into service, of one service or of all.

    Raises InputError if there is none yet, RemoteError for an answer that makes no sense.
    """
    if service and service not in host.services:
        raise unknown_name("service", service, host.services, where=host.name)
    with closing(open_host(host, access)) as session:
        desired, _ = look(session, Description(host, profiles=profiles), emit, only=True)
        releases = {item.service: item for item in desired.resources if isinstance(item, Release)}
        states: tuple[ServiceState, ...] = desired.shown["services"]
        wanted = [state for state in states if not service or state.name == service]
        for state in wanted:
            if state.name not in releases or state.plan is None:
                why = "; ".join(note for note in desired.notes if f"service {state.name}" in note)
                why = "\n".join(desired.lacks) or why or f"service {state.name} has no release yet"
                raise InputError(why, host=host.name)
            _check_prompt(host, state, state.plan, prompt)
        found = []
        for state in wanted:
            assert state.plan is not None
            release = releases[state.name]
            answer = session.request("rehearse", manifest=release.manifest, prompts=[prompt] if prompt else [])
            try:
                rehearsed = Rehearsed.model_validate(answer)
            except ValidationError as error:
                raise RemoteError(f"the rehearsal's answer makes no sense: {error}", host=host.name) from error
            name = (host.name, state.name, state.profile_name, release.release)
            found.append(Rehearsal(*name, state.plan, prompt, rehearsed))
        return found


def _check_prompt(host: Host, state: ServiceState, plan: MemoryPlan, prompt: int) -> None:
    most = plan.sequence - LAST_TOKENS
    if not 0 <= prompt <= most:
        raise InputError(
            f"service {state.name} takes a prompt of 1 to {most} tokens, found {prompt}",
            host=host.name,
            hint=f"--prompt {most}",
        )
