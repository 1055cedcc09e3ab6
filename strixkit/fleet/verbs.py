"""What the verbs do to one host: open a session, and let the engine work."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strixkit.config.host import Host
from strixkit.config.names import unknown_name
from strixkit.engine.converge import apply, converge, look, observe
from strixkit.engine.events import Emit
from strixkit.engine.plan import Plan, compare, order
from strixkit.engine.values import REBOOT_MINUTES, Desired, Job, Outcome
from strixkit.errors import InputError, RemoteError
from strixkit.host.describe import Description
from strixkit.host.facts_file import load_answer
from strixkit.resources.activation import Activation, release_question
from strixkit.secret import Secret


@dataclass(frozen=True)
class Access:
    """How to become root; the password is asked for once and never kept."""

    sudo_password: Secret | None = None


def who() -> str:
    """The person and the machine, for locks and journals."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def open_host(host: Host, access: Access) -> Any:
    """Open a session with the agent on a host of the inventory."""
    from strixkit.remote.session import open_session

    return open_session(target(host), become=host.become, password=access.sudo_password)


@contextmanager
def _open_and_describe(
    host: Host,
    access: Access,
    profiles: dict[str, str],
    *,
    preview: bool,
    replan: bool,
    reboot: bool,
    pull_later: bool = False,
) -> Iterator[tuple[Any, Description]]:
    """Connect while the controller reads its own files: each waits for the other side most of the time."""
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_host, host, access)
        try:
            description = Description(
                host, profiles=profiles, preview=preview, replan=replan, reboot=reboot, pull_later=pull_later
            )
        except BaseException:
            if opening.exception() is None:
                opening.result().close()
            raise
        session = opening.result()
    try:
        yield session, description
    finally:
        session.close()


def target(host: Host) -> Any:
    """Where and how the host is reached."""
    from strixkit.remote.target import Target

    return Target(host.name, host.address, host.user, host.port, host.identity_file, host.known_hosts)


def deploy(
    host: Host,
    access: Access,
    emit: Emit,
    *,
    what: str,
    profiles: dict[str, str],
    replan: bool = False,
    reboot: bool = False,
    reboot_minutes: float = REBOOT_MINUTES,
    hold_at: str = "",
    pull_later: bool = False,
) -> Outcome:
    """Make the host as the inventory wishes (`profiles` wins over it for the named services).

    replan: choose anew what running releases keep. pull_later: leave what the box would fetch; see fleet/deploy.py.
    reboot: the box may be rebooted, once, if something wants it; it is waited for so many minutes.
    """
    job = Job(who(), what, hold_at, reboot, reboot_minutes)
    opened = _open_and_describe(
        host, access, profiles, preview=False, replan=replan, reboot=reboot, pull_later=pull_later
    )
    with opened as (session, description):
        return converge(session, description, job, emit)


def plan(
    host: Host, access: Access, emit: Emit, *, profiles: dict[str, str], replan: bool = False, reboot: bool = False
) -> Outcome:
    """Look at the host and compare; nothing is changed. reboot: as a deploy would do it that may reboot the box."""
    opened = _open_and_describe(host, access, profiles, preview=True, replan=replan, reboot=reboot)
    with opened as (session, description):
        desired, found = look(session, description, emit, only=True)
        return _planned(host, desired, found, session.round_trips)


def plan_from_facts(host: Host, path: Path, *, profiles: dict[str, str], reboot: bool = False) -> Outcome:
    """The plan for a bare machine of which only facts are known: no box, no connection. Raises InputError."""
    desired = Description(host, profiles=profiles, preview=True, reboot=reboot).desired(load_answer(path))
    resources = order(desired.resources)
    planned = _planned(host, desired, compare(resources, [resource.absent() for resource in resources]), 0)
    planned.notes.insert(0, f"planned from {path} without the box: what the facts do not say is taken as absent")
    return planned


def _planned(host: Host, desired: Desired, found: Plan, round_trips: int) -> Outcome:
    shown = {**desired.shown, "resources": found.resources}
    return Outcome(
        host.name,
        changes=list(found.todo),
        pending=list(found.pending),
        notes=list(desired.notes),
        shown=shown,
        round_trips=round_trips,
    )


def rollback(host: Host, access: Access, emit: Emit, *, service: str) -> Outcome:
    """Bring the release before the current one back, through the same gate. Raises InputError if there is none."""
    _check_service(host, service)
    with closing(open_host(host, access)) as session:
        state = session.request("observe", questions=[release_question(service)])[0]
        if not state["previous"]:
            why = f"no release before {state['current']} is kept" if state["current"] else "no release is in service"
            raise InputError(f"service {service}: {why}", host=host.name, hint=f"invoke journal --host {host.name}")
        outcome = Outcome(host.name, applied=True)
        found = observe(session, [Activation(service=service, release=str(state["previous"]), reason="rollback")])
        apply(session, found, Job(who(), f"rollback of {service}"), emit, outcome)
        outcome.round_trips = session.round_trips
        return outcome


def ask(host: Host, access: Access, *, service: str, text: str, max_tokens: int = 64) -> dict[str, Any]:
    """One chat completion, asked on the box itself; returns the server's JSON. Raises InputError, RemoteError."""
    _check_service(host, service)
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "temperature": 0}
    with closing(open_host(host, access)) as session:
        answer = session.request("chat", service=service, body=body)
    if answer["status"] != 200:
        raise RemoteError(
            f"service {service} gave no answer (HTTP {answer['status']}): {answer['answer']}",
            host=host.name,
            hint=f"invoke deploy --host {host.name} brings it into service",
        )
    return dict(answer["answer"])


def _check_service(host: Host, service: str) -> None:
    if service not in host.services:
        raise unknown_name("service", service, host.services, where=host.name)


def api_key(host: Host, access: Access, *, service: str) -> Secret:
    """The API key of a service. Raises InputError if it has none."""
    _check_service(host, service)
    with closing(open_host(host, access)) as session:
        text = session.request("key", service=service)["key"]
    if not text:
        raise InputError(f"service {service} has no API key (is it deployed?)", host=host.name)
    return Secret(str(text))


def journal(host: Host, access: Access, *, limit: int) -> list[dict[str, Any]]:
    """The newest entries of the box's journal, oldest first."""
    with closing(open_host(host, access)) as session:
        return list(session.request("journal", limit=limit))
