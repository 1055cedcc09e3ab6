"""What changes boxes: deploy and its like. One thin task per verb; heavy modules are imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, Exit, task

from strixkit import cli

if TYPE_CHECKING:
    from strixkit.config.host import Host


def profiles_of(hosts: Sequence[Host], profile: str, service: str) -> dict[str, str]:
    """Service -> the profile that the flags name for it. Raises InputError for an unknown service."""
    from strixkit.errors import InputError

    names = {name for host in hosts for name in host.services}
    if service and service not in names:
        raise InputError(f"no service {service}; there are {', '.join(sorted(names))}")
    return dict.fromkeys([service] if service else names, profile) if profile else {}


def _deploy(
    host: str,
    inventory: str,
    prompt: bool,
    as_json: bool,
    what: str,
    *,
    profile: str = "",
    service: str = "",
    replan: bool = False,
    reboot: bool = False,
    reboot_minutes: str = "",
    at_once: str = "",
) -> None:
    from strixkit.display.events import renderer
    from strixkit.engine.values import REBOOT_MINUTES, Outcome
    from strixkit.fleet import verbs
    from strixkit.fleet.deploy import deploy_all
    from strixkit.fleet.pull import Pull
    from strixkit.fleet.run import AT_ONCE

    minutes = cli.count("--reboot-timeout", reboot_minutes) or REBOOT_MINUTES
    width = cli.count("--at-once", at_once) or (1 if reboot else AT_ONCE)
    hosts = cli.hosts(host, inventory)
    profiles = profiles_of(hosts, profile, service)
    access = cli.access(prompt)
    with renderer(quiet=as_json) as emit:

        def work(item: Host, pull_later: bool) -> Outcome:
            return verbs.deploy(
                item,
                access,
                emit,
                what=what,
                profiles=profiles,
                replan=replan,
                reboot=reboot,
                reboot_minutes=minutes,
                pull_later=pull_later,
            )

        reports = deploy_all(Pull(hosts, cli.known(inventory), access, emit), work, at_once=width)
    cli.report(reports, as_json=as_json, applied=True)


@task(
    help=cli.flags(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        "replan",
        "at-once",
        reboot="reboot a host where something is only live after it, and go on when it is back",
        reboot_timeout="how many minutes a rebooted host is waited for (default: 10)",
    )
)
def deploy(
    ctx: Context,
    host: str = "",
    replan: bool = False,
    reboot: bool = False,
    reboot_timeout: str = "",
    at_once: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Make hosts as the inventory wishes, through the gate."""

    def work() -> None:
        _deploy(
            host,
            inventory,
            prompt_sudo_password,
            json,
            "deploy",
            replan=replan,
            reboot=reboot,
            reboot_minutes=reboot_timeout,
            at_once=at_once,
        )

    cli.guard(work, json)


@task(help=cli.flags("host", "inventory", "json", "prompt-sudo-password", "profile", "service"))
def switch(
    ctx: Context,
    host: str = "",
    profile: str = "",
    service: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Serve with another profile, through the gate; the next deploy goes back to the inventory's."""

    def work() -> None:
        from strixkit.config.profiles import profile_names
        from strixkit.errors import InputError

        if not profile:
            raise InputError(f"no profile is named; there are {', '.join(profile_names())}", hint="--profile NAME")
        what = f"switch to {profile}"
        _deploy(host, inventory, prompt_sudo_password, json, what, profile=profile, service=service)

    cli.guard(work, json)


@task(
    help=cli.flags(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        "profile",
        "service",
        "replan",
        reboot="as a deploy with --reboot would do it",
        facts="a saved facts file instead of the box: no connection, no root",
        check="exit 3 if anything differs",
    )
)
def plan(
    ctx: Context,
    host: str = "",
    facts: str = "",
    profile: str = "",
    service: str = "",
    replan: bool = False,
    reboot: bool = False,
    check: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Show what deploy would change, the memory plan and the rendered unit; nothing is touched."""

    def work() -> None:
        _plan(
            host,
            facts,
            profile,
            service,
            check,
            inventory,
            json,
            prompt_sudo_password,
            full=True,
            replan=replan,
            reboot=reboot,
        )

    cli.guard(work, json)


@task(help=cli.flags("host", "inventory", "json", "prompt-sudo-password", check="exit 3 if anything differs"))
def audit(
    ctx: Context,
    host: str = "",
    check: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """List what differs from the inventory's wishes on running boxes; nothing is touched."""
    cli.guard(lambda: _plan(host, "", "", "", check, inventory, json, prompt_sudo_password), json)


def _plan(
    host: str,
    facts: str,
    profile: str,
    service: str,
    check: bool,
    inventory: str,
    as_json: bool,
    prompt: bool,
    *,
    full: bool = False,
    replan: bool = False,
    reboot: bool = False,
) -> None:
    from strixkit.display.events import renderer
    from strixkit.fleet import verbs
    from strixkit.fleet.pull import Pull, say_sources
    from strixkit.fleet.run import each

    hosts = cli.hosts(host, inventory)
    profiles = profiles_of(hosts, profile, service)
    access = cli.access(prompt and not facts)
    with renderer(quiet=as_json) as emit:
        if facts:
            reports = each(
                hosts, lambda item: verbs.plan_from_facts(item, Path(facts), profiles=profiles, reboot=reboot)
            )
        else:
            reports = each(
                hosts, lambda item: verbs.plan(item, access, emit, profiles=profiles, replan=replan, reboot=reboot)
            )
            say_sources(Pull(hosts, cli.known(inventory), access, emit), reports)
    cli.report(reports, as_json=as_json, applied=False, full=full)
    if check and any(report.outcome.changes or report.outcome.pending for report in reports):
        raise Exit(code=3)


@task(help=cli.flags("host", "inventory", "json", "prompt-sudo-password", "service"))
def rollback(
    ctx: Context,
    host: str = "",
    service: str = "main",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Bring the release before the current one back, through the gate."""

    def work() -> None:
        from strixkit.display.events import renderer
        from strixkit.fleet import verbs
        from strixkit.fleet.run import each

        access = cli.access(prompt_sudo_password)
        with renderer(quiet=json) as emit:
            reports = each(cli.hosts(host, inventory), lambda item: verbs.rollback(item, access, emit, service=service))
        cli.report(reports, as_json=json, applied=True)

    cli.guard(work, json)
