"""From a box's one answer to the findings of all checks. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from strixkit.config.host import Host
from strixkit.config.names import unknown_name
from strixkit.config.profiles import load_profile
from strixkit.config.runtimes import Runtime
from strixkit.doctor import wishes
from strixkit.doctor.check import EXIT_CODES, Check, Examined, Finding, find
from strixkit.doctor.checks import CHECKS
from strixkit.doctor.evidence import evidence_from
from strixkit.errors import RemoteError
from strixkit.host.context import USER
from strixkit.host.facts_answer import facts_in


def request(host: Host) -> dict[str, Any]:
    """The fields of the request `examine`."""
    return {
        "services": sorted(host.services),
        "ports": sorted(
            service.port or load_profile(service.profile).server.port for service in host.services.values()
        ),
        "user": USER,
        "kernel_arguments": wishes.question(),
    }


def diagnose(host: Host, runtime: Runtime, answer: Any, *, asked_password: bool = False) -> tuple[Finding, ...]:
    """What every check finds, by rank. Raises RemoteError for facts that make no sense, or that did not come."""
    evidence = evidence_from(answer.get("evidence") if isinstance(answer, dict) else None)
    if "facts" in evidence.silent:
        why = (
            f"its facts: {evidence.why_unread('facts')}; a driver that hangs lets whoever reads its files wait for ever"
        )
        raise RemoteError(why, host=host.name, hint="reboot the box")
    if "facts" in evidence.unread and not answer.get("facts"):
        raise RemoteError(f"its facts: {evidence.unread['facts']}", host=host.name)
    facts = facts_in(answer, host.name)
    examined = Examined(
        host=host,
        runtime=runtime,
        facts=facts,
        evidence=evidence,
        wishes=wishes.wishes(host, facts, runtime),
        asked_password=asked_password,
    )
    return tuple(find(check, rank, examined) for rank, check in enumerate(CHECKS, 1))


def exit_code(findings: Iterable[Finding]) -> int:
    """2: something fails; 1: something warns; 0: neither."""
    return max((EXIT_CODES[finding.verdict] for finding in findings), default=0)


def check_named(name: str) -> tuple[int, Check]:
    """Rank and check. Raises InputError, with the nearest name."""
    for rank, check in enumerate(CHECKS, 1):
        if check.id == name:
            return rank, check
    raise unknown_name("check", name, [check.id for check in CHECKS], hint="invoke doctor --explain all")
