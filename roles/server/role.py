"""Each service: profile -> options -> arguments -> unit -> release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from strixkit.errors import InputError
from strixkit.host.context import CREDENTIALS, LIBRARY, STATE, USER, HostContext, ServiceState, environment_of
from strixkit.host.sandbox import FILE
from strixkit.host.sharing import Share
from strixkit.planner.choice import MemoryPlan
from strixkit.planner.options import Options
from strixkit.resources.base import Resource
from strixkit.resources.file import File
from strixkit.resources.key import Key
from strixkit.resources.release import Release, directives
from strixkit.resources.template import render
from strixkit.runtime.argv import Rendered
from strixkit.runtime.argv import render as render_argv
from strixkit.runtime.systemd import environment_line, exec_line

HERE = Path(__file__).parent
UNIT = HERE.parent.parent / "systemd" / "llama-server.service.j2"
WAIT_READY = f"{LIBRARY}/wait-ready"
KEY_ARGUMENT = "%d/api-key"  # systemd puts the credential's folder there
CANDIDATE_PORT = "@CANDIDATE_PORT@"  # the agent puts a free port there
LOG_BUFFERS = 4  # -lv: from this level on the server logs every buffer's size
# Beyond this a deploy warns: percent of an exact part and of all, and MiB that each line of the log may be rounded by.
TOLERANCE = {"exact_percent": 2, "total_percent": 5, "line_mib": 0.01}
OPTIONAL = ("load.fit",)  # a build that has no such flag fits nothing


def resources(host: HostContext) -> Iterator[Resource]:
    """The readiness helper, the keys, and one release for each service; nothing yet when the box is to be rebooted."""
    if host.reboots:
        host.wait("the services are planned after the reboot, with the memory that the GPU then may use")
        return
    helper = (HERE / "files" / "wait_ready.py").read_text()
    yield File(path=WAIT_READY, content=helper, mode=0o755, reason="systemctl start returns when the server answers")
    for service in host.services:
        if service.has_key:
            why = f"service {service.name} listens on {service.listen}"
            yield Key(path=f"{CREDENTIALS}/{service.name}.key", reason=why)
        if not host.runtime.present and not host.runtime.recorded:
            host.wait(f"service {service.name}: the unit is rendered when runtime {host.runtime.name} is installed")
        elif service.share is None or service.file.missing:
            host.wait(f"service {service.name}: the unit is rendered when {service.file.path} is on the box")
        else:
            wanted = release(host, service, service.share)
            yield wanted
            if service.held.release == wanted.release and service.held.wishes != service.share.wishes:
                path = f"{STATE}/services/{service.name}/releases/{wanted.release}/wishes"
                why = "the same came of other wishes: they are recorded without a restart"
                yield File(path=path, content=f"{service.share.wishes}\n", reason=why)


def release(host: HostContext, service: ServiceState, share: Share) -> Release:
    """Everything that shapes the process, its hash as the release's id, and the unit rendered from it.

    The wishes are no part of the id: other wishes that lead to the same process are no reason to restart it.
    """
    plan = share.plan
    options = all_options(service, plan)
    rendered = arguments(host, service, options)
    environment = environment_of(host.runtime, host.host, service.profile.device.name)
    shape = {
        "service": service.name,
        "profile": service.profile_name,
        "model": _model(service),
        "runtime": {"name": host.runtime.name, "identity": host.runtime.identity},
        "argv": list(rendered.argv),
        "environment": environment,
        "user": USER,
    }
    candidate = arguments(host, service, {**options, "server.host": "127.0.0.1", "server.port": CANDIDATE_PORT})
    common = {
        "service": service,
        "host": host,
        "plan": plan,
        "user": USER,
        "environment": [environment_line(key, value) for key, value in environment.items()],
        "credentials": CREDENTIALS,
        "wait_ready": WAIT_READY,
        "sandbox": FILE.read_text(),
    }
    main = {**common, "exec_start": _exec(rendered), "port": service.port, "address": gate_address(service)}
    spare = {**common, "exec_start": _exec(candidate), "port": CANDIDATE_PORT, "address": "127.0.0.1"}
    shaped_by = json.dumps({**shape, "unit": directives(render(UNIT, {**main, "release": ""}))}, sort_keys=True)
    name = hashlib.sha256(shaped_by.encode()).hexdigest()[:12]
    manifest: dict[str, Any] = {
        **shape,
        "release": name,
        "options": options,
        "candidate_argv": list(candidate.argv),
        "port": service.port,
        "gate_address": gate_address(service),
        "context": plan.sequence,  # of one slot, as /props must show it
        "drafts": options.get("draft.type", "none") != "none",
        "key_file": f"{CREDENTIALS}/{service.name}.key" if service.has_key else None,
        "memory": plan.sizes.model_dump(),
        "plan": _confirmed_by(share, options),
        "rehearsal": {
            "device": plan.options["device.name"] if options["device.gpu_layers"] != 0 else "",
            "headers": list(host.runtime.headers),
        },
        "choice": plan.choice.model_dump(),
        "provenance": service.file.provenance,  # of a model that was made on the box; no part of the release's id
    }
    return Release(
        service=service.name,
        release=name,
        unit=render(UNIT, {**main, "release": name}),
        candidate=render(UNIT, {**spare, "release": name}),
        manifest=manifest,
        wishes=share.wishes,
        beside=plan.beside,
        reason=f"profile {service.profile_name}",
    )


def _confirmed_by(share: Share, options: Options) -> dict[str, Any]:
    """What gate and dry run hold against the server's log, and how much may differ; see agent/confirm.py, dryrun.py."""
    plan = share.plan
    return {
        "parts": [part.model_dump(mode="json") for part in plan.parts],
        "gpu_layers": options["device.gpu_layers"],
        "sequence": plan.sequence,
        "checkpoint": asdict(plan.checkpoint),
        "tolerance": TOLERANCE,
        "budget": {"device_mib": plan.budget_mib, "system_mib": plan.system_budget_mib, "unified": plan.unified},
        "settings": plan.settings,
        "circumstances": share.circumstances,
    }


def _model(service: ServiceState) -> dict[str, Any]:
    """Which model it is: by its hash, or, where nobody knows one, by the file's size, time and inode on the box."""
    file = service.file
    known = {"path": file.path, "sha256": file.sha256, "variant": file.variant}
    return {**known, "identity": file.identity} if file.identity and not file.sha256 else known


def all_options(service: ServiceState, plan: MemoryPlan) -> Options:
    """The plan's options, with what only this box knows."""
    options: Options = {
        "model.path": service.file.path,
        **plan.options,
        "server.host": service.listen,
        "server.port": service.port,
        "load.fit": False,  # the server changes nothing of what the plan has decided
        "log.verbosity": LOG_BUFFERS,
    }
    if service.has_key:
        options["server.api_key_file"] = KEY_ARGUMENT
    return options


def arguments(host: HostContext, service: ServiceState, options: Options) -> Rendered:
    """The command line, checked against what the binary says it knows. Raises InputError, host named."""
    capabilities = host.runtime.capabilities
    assert capabilities is not None
    try:
        rendered = render_argv(options, capabilities, (*OPTIONAL, *service.profile.optional))
    except InputError as error:
        raise InputError(
            f"service {service.name}, runtime {host.runtime.name}: {error.message}",
            host=host.host.name,
            hint=error.hint,
        ) from error
    return Rendered(argv=(host.runtime.binary, *rendered.argv), omitted=rendered.omitted)


def _exec(rendered: Rendered) -> str:
    return exec_line(rendered.argv, raw=frozenset({KEY_ARGUMENT}))


def gate_address(service: ServiceState) -> str:
    """Where the box itself reaches the server."""
    return "127.0.0.1" if service.listen in ("0.0.0.0", "::", "localhost") else service.listen
