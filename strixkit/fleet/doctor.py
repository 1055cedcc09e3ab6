"""`invoke doctor`: one connection and one question for each host; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from strixkit.config.catalogue import load_runtime
from strixkit.config.host import Host
from strixkit.doctor.check import Finding
from strixkit.doctor.diagnosis import diagnose, exit_code, request
from strixkit.fleet.run import Failure, ask_each
from strixkit.fleet.verbs import Access, open_host


@dataclass(frozen=True)
class Diagnosis:
    """One host: its findings, or why there are none."""

    host: str
    findings: tuple[Finding, ...] = ()
    error: str = ""
    exit_code: int = 0


def examine(hosts: Sequence[Host], access: Access) -> list[Diagnosis]:
    """All hosts at once, in their order."""

    def one(host: Host) -> tuple[Finding, ...]:
        runtime = load_runtime(host.runtime)
        with closing(open_host(host, access)) as session:
            answer = session.request("examine", **request(host))
        asked = access.sudo_password is not None and host.become is not False
        return diagnose(host, runtime, answer, asked_password=asked)

    found = zip(hosts, ask_each(hosts, one), strict=True)
    return [
        Diagnosis(host.name, (), answer.text, answer.exit_code)
        if isinstance(answer, Failure)
        else Diagnosis(host.name, answer, "", exit_code(answer))
        for host, answer in found
    ]
