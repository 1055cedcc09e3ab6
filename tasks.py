"""The command line: one thin task per verb. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection, Context, Exit, task

from strixkit import cli

if TYPE_CHECKING:
    from strixkit.config.host import Host

HELP = {
    "host": "names or groups of inventory.yaml, separated by commas; !name leaves one out",
    "inventory": "another inventory file",
    "json": "one JSON document on stdout and nothing else",
    "at-once": "how many hosts are worked on at a time (default: 16; with --reboot 1)",
    "prompt-sudo-password": "ask for the sudo password of the ssh user, once",
    "profile": "a profile instead of the inventory's",
    "replan": "choose anew, from what is free now, what running releases keep",
    "service": "one service of the host (default: all, or `main`)",
}


def _help(*names: str, **extra: str) -> dict[str, str]:
    """Help texts of the flags that verbs share, and of a verb's own."""
    return {**{name: HELP[name] for name in names}, **extra}


def _profiles(hosts: Sequence[Host], profile: str, service: str) -> dict[str, str]:
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
    from strixkit.fleet.run import AT_ONCE, exit_code

    minutes = cli.count("--reboot-timeout", reboot_minutes) or REBOOT_MINUTES
    width = cli.count("--at-once", at_once) or (1 if reboot else AT_ONCE)
    hosts = cli.hosts(host, inventory)
    profiles = _profiles(hosts, profile, service)
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
    if code := exit_code(reports):
        raise Exit(code=code)


@task(
    help=_help(
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


@task(help=_help("host", "inventory", "json", "prompt-sudo-password", "profile", "service"))
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
    help=_help(
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


@task(help=_help("host", "inventory", "json", "prompt-sudo-password", check="exit 3 if anything differs"))
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
    from strixkit.fleet.run import each, exit_code

    hosts = cli.hosts(host, inventory)
    profiles = _profiles(hosts, profile, service)
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
    if code := exit_code(reports):
        raise Exit(code=code)
    if check and any(report.outcome.changes or report.outcome.pending for report in reports):
        raise Exit(code=3)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        save="a file for `plan --facts` (one host), or a folder that gets HOST.json of each",
    )
)
def facts(
    ctx: Context,
    host: str = "",
    save: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Show what boxes are: memory, GPU, kernel, software; nothing is touched."""

    def work() -> None:
        from strixkit.display.facts import document, lines
        from strixkit.display.result import dump
        from strixkit.fleet.facts import known
        from strixkit.fleet.run import common_code

        found = known(cli.hosts(host, inventory), cli.access(prompt_sudo_password), save=save)
        print(dump(document(found)) if json else "\n".join(lines(found)))
        if code := common_code(item.exit_code for item in found):
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        explain="a check's id: what it looks at, why, and where that is known from; no box is asked (all: every one)",
    )
)
def doctor(
    ctx: Context,
    host: str = "",
    explain: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Look for the known failures of this hardware; nothing is changed. Exit 0: none, 1: it warns, 2: something fails.

    What cannot be looked at is skipped, with the reason; that is no failure.
    """

    def work() -> None:
        from strixkit.display import doctor as display
        from strixkit.display.result import dump

        if explain:
            print(dump(display.explanations(explain)) if json else "\n".join(display.explained(explain)))
            return
        from strixkit.fleet.doctor import examine

        found = examine(cli.hosts(host, inventory), cli.access(prompt_sudo_password))
        print(dump(display.document(found)) if json else "\n".join(display.lines(found)))
        if code := max(diagnosis.exit_code for diagnosis in found):
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        model="a model of the catalogue instead of those of the services",
        variant="a variant of it (default: the model's default one)",
        from_="a file, or a folder with it, on this machine, that is sent instead of fetched",
        to="a folder on this machine that gets the file, for boxes without internet; no box is asked",
        no_share="each box fetches for itself, and none gives to another",
    )
)
def pull(
    ctx: Context,
    host: str = "",
    model: str = "",
    variant: str = "",
    from_: str = "",
    to: str = "",
    no_share: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Bring model files to boxes: once from the hub for all of them, the rest from each other; verified."""

    def work() -> None:
        from strixkit.display.events import renderer
        from strixkit.display.result import dump
        from strixkit.fleet.carry import carry
        from strixkit.fleet.pull import Pull
        from strixkit.fleet.pull import pull as pull_files
        from strixkit.fleet.run import exit_code

        wanted = cli.wanted(model, variant)
        hosts = [] if to and model and not host else cli.hosts(host, inventory)
        with renderer(quiet=json) as emit:
            if to:
                paths = carry(hosts, wanted, Path(to), emit)
                print(dump({"files": [str(path) for path in paths]}) if json else "\n".join(map(str, paths)))
                return
            run = Pull(
                hosts,
                cli.known(inventory),
                cli.access(prompt_sudo_password),
                emit,
                wanted,
                Path(from_).expanduser() if from_ else None,
                not no_share,
            )
            reports = pull_files(run)
        cli.report(reports, as_json=json, applied=True)
        if code := exit_code(reports):
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        verify="read and check each file that was not yet: its sha256, and what strix-verify says of it",
        full="with --verify: read every file again, also where its sha256 is recorded",
        prune="files to remove, separated by commas; or `unused`: all of ours that no release and no service uses",
    )
)
def models(
    ctx: Context,
    host: str = "",
    verify: bool = False,
    full: bool = False,
    prune: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """List the model files on boxes and who uses them; verify them; remove what nothing uses."""

    def work() -> None:
        from strixkit.display.events import renderer
        from strixkit.display.models import document, lines
        from strixkit.display.result import dump
        from strixkit.display.text import clean
        from strixkit.fleet.models import work_of
        from strixkit.fleet.run import Failure, ask_each, common_code

        hosts, one = cli.hosts(host, inventory), work_of(verify, full, prune)
        access = cli.access(prompt_sudo_password)
        with renderer(quiet=json) as emit:
            answers = ask_each(hosts, lambda item: one(item, access, emit))
        codes, documents = [], []
        for item, found in zip(hosts, answers, strict=True):
            if isinstance(found, Failure):
                codes.append(found.exit_code)
                documents.append({"host": item.name, "error": found.text})
                text = [f"{item.name}: {found.text}"]
            else:
                codes.append(int(verify and any(file.faults for file in found.files)))
                documents.append(document(found))
                text = lines(found, verified=verify)
            if not json:
                print("\n".join(map(clean, text)))
        if json:
            print(dump({"hosts": documents}))
        if code := common_code(codes):
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        model="a model of the catalogue that has a recipe",
        variant="one that its recipe makes (default: all of them)",
        plan="show what would be made and what room it takes; nothing is touched",
    )
)
def quantize(
    ctx: Context,
    host: str = "",
    model: str = "",
    variant: str = "",
    plan: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Make a model's quantised files on a host by its recipe, from BF16, and check what came of it."""

    def work() -> None:
        from strixkit.display.events import renderer
        from strixkit.display.made import document, lines
        from strixkit.display.result import dump, summary
        from strixkit.errors import InputError
        from strixkit.fleet import quantize as verbs
        from strixkit.fleet.run import Report
        from strixkit.host.making import making

        if not model:
            raise InputError("no model is named", hint="--model NAME; those of profiles/models/ that have a recipe")
        item, access = cli.one(host, inventory), cli.access(prompt_sudo_password)
        wanted = making(model, variant or None)
        with renderer(quiet=json) as emit:
            found = (verbs.plan if plan else verbs.quantize)(item, access, emit, wanted)
        code = 0 if found.outcome.ok or plan else 1
        if json:
            print(dump(document(found)))
        else:
            print("\n".join([*lines(found), *summary([Report(found.outcome, code)], applied=not plan)]))
        if code:
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    iterable=["facts"],
    help=_help(
        "json",
        facts="a saved facts file; may be given several times (default: the captured boxes of tests/data/facts)",
        model="a model of the catalogue",
        runtime="a runtime of the catalogue",
    ),
)
def profiles(
    ctx: Context, facts: list[str], model: str = "qwen3.6-27b-mtp", runtime: str = "rocmfp4", json: bool = False
) -> None:
    """Show what every profile becomes on some boxes, or why it does not fit there; no box is asked."""

    def work() -> None:
        from strixkit.display.matrix import lines
        from strixkit.display.result import dump
        from strixkit.host.profiles import profile_matrix

        files = [Path(name) for name in facts] or sorted((cli.ROOT / "tests/data/facts").glob("*.json"))
        cells = profile_matrix(files, model, runtime)
        if json:
            print(dump({"model": model, "runtime": runtime, "cells": [cell.model_dump(mode="json") for cell in cells]}))
        else:
            print("\n".join(lines(cells, model, runtime)))

    cli.guard(work, json)


@task(
    help=_help(
        "json",
        only="runtimes and models of profiles/, separated by commas (default: all that git or a hub has)",
        check="write nothing; exit 3 if a branch is another commit, or a file another one, than the lock's",
    )
)
def lock(ctx: Context, only: str = "", check: bool = False, json: bool = False) -> None:
    """Write into lock.yaml which commit each runtime and model is now, with the files' sha256; deploys take that."""

    def work() -> None:
        from strixkit.display.lock import document, lines
        from strixkit.display.result import dump
        from strixkit.fleet.lock import lock as lock_sources

        found = lock_sources([name.strip() for name in only.split(",") if name.strip()], check=check)
        print(dump(document(found)) if json else "\n".join(lines(found)))
        if found.exit_code:
            raise Exit(code=found.exit_code)

    cli.guard(work, json)


@task(
    positional=["file"],
    help=_help(
        "inventory",
        "json",
        "prompt-sudo-password",
        file="a GGUF: a path here, a URL of http or https, or HOST:PATH on a box of the inventory",
    ),
)
def inspect(
    ctx: Context, file: str, inventory: str = "", json: bool = False, prompt_sudo_password: bool = False
) -> None:
    """Show what a GGUF file is, from its header alone, and which runtimes can load it."""

    def work() -> None:
        from strixkit.display.inspection import lines
        from strixkit.display.result import dump
        from strixkit.fleet.inspect import inspect_file
        from strixkit.sources.place import place_of

        place = place_of(file)
        host = cli.one(place.host, inventory) if place.kind == "box" else None
        found = inspect_file(place, host, cli.access(prompt_sudo_password and host is not None))
        print(dump(found.model_dump(mode="json")) if json else "\n".join(lines(found)))
        if found.problems:
            raise Exit(code=2)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        "profile",
        "service",
        prompt="send a prompt of so many tokens, to see what grows: checkpoints, the draft's buffers",
    )
)
def rehearse(
    ctx: Context,
    host: str = "",
    service: str = "",
    profile: str = "",
    prompt: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Start the release to be on the box, on a device that computes nothing, and hold its memory against the plan."""

    def work() -> None:
        from strixkit.display.events import renderer
        from strixkit.display.rehearsal import document, failed, lines
        from strixkit.display.result import dump
        from strixkit.fleet.rehearse import rehearse

        tokens = cli.count("--prompt", prompt)
        item = cli.one(host, inventory)
        profiles = _profiles([item], profile, service)
        with renderer(quiet=json) as emit:
            access = cli.access(prompt_sudo_password)
            found = rehearse(item, access, emit, service=service, profiles=profiles, prompt=tokens)
        if json:
            print(dump({"rehearsals": [document(rehearsal) for rehearsal in found]}))
        else:
            print("\n\n".join("\n".join(lines(rehearsal)) for rehearsal in found))
        if any(failed(rehearsal) for rehearsal in found):
            raise Exit(code=1)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        device="vulkan (default), hip or cpu",
        acceptance="share of drafted tokens that are accepted, for the ceiling with drafts (default: 0.885)",
    )
)
def probe(
    ctx: Context,
    host: str = "",
    device: str = "vulkan",
    acceptance: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Measure a box's GPU: does it compute right, how fast does it read, what does that allow a model at most."""

    def work() -> None:
        from strixkit.display.events import renderer
        from strixkit.display.probe import document, lines
        from strixkit.display.result import dump
        from strixkit.fleet import probe as probes

        item = cli.one(host, inventory)
        cli.choice("--device", device, ("vulkan", "hip", "cpu"))
        share = cli.share("--acceptance", acceptance, probes.ACCEPTANCE)
        access = cli.access(prompt_sudo_password)
        with renderer(quiet=json) as emit:
            found = probes.probe(item, access, emit, backend=device, acceptance=share)
        if json:
            print(dump(document(found.host, found.probe, found.decoding)))
        else:
            print("\n".join(lines(found.host, found.probe, found.decoding)))
        if not found.probe.right:
            raise Exit(code=1)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        push="hosts or groups that get the finished build instead of building it: same distribution, ROCm and CPU",
        cancel="end the build that runs there; what it has compiled is kept",
    )
)
def build(
    ctx: Context,
    host: str = "",
    push: str = "",
    cancel: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Build the runtime of hosts there, from the locked commit, and verify it; no service is touched."""

    def work() -> None:
        from dataclasses import asdict

        from strixkit.display.build import lines
        from strixkit.display.events import renderer
        from strixkit.display.result import dump
        from strixkit.fleet import build as builds
        from strixkit.fleet.run import common_code, each, exit_code

        hosts = cli.hosts(host, inventory)
        access = cli.access(prompt_sudo_password)
        if cancel:
            ended = builds.cancel_each(hosts, access)
            print(dump({"hosts": [asdict(item) for item in ended]}) if json else "\n".join(lines(ended)))
            if code := common_code(item.exit_code for item in ended):
                raise Exit(code=code)
            return
        with renderer(quiet=json) as emit:
            if push:
                source, targets = cli.one(host, inventory), cli.hosts(push, inventory)
                reports = builds.build_and_push(source, targets, access, emit)
            else:
                reports = each(hosts, lambda item: builds.build(item, access, emit))
        cli.report(reports, as_json=json, applied=True)
        if code := exit_code(reports):
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        model="a model of the catalogue",
        variants="its variants, or paths of files on the box, by commas (default: all that are on the box)",
        base="what they are compared with: a variant, or a path on the box (default: the source they are made from)",
        chunks="of 512 tokens, of each text at most (default: as the catalogue has it)",
        device="as llama.cpp names it, or cpu (default: that of the host's profile)",
        keep="leave the base's logits on the box, for other variants",
        plot="draw it too: a file that ends with .svg or .png",
        save="write the JSON to a file too",
    )
)
def evaluate(
    ctx: Context,
    host: str = "",
    model: str = "",
    variants: str = "",
    base: str = "",
    chunks: str = "",
    device: str = "",
    keep: bool = False,
    plot: str = "",
    save: str = "",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Compare a model's variants on held-out texts: perplexity, and divergence from the file they were made from."""

    def work() -> None:
        from strixkit.display import evaluation as display
        from strixkit.display import evaluation_plot
        from strixkit.display.events import renderer
        from strixkit.display.result import dump
        from strixkit.errors import InputError
        from strixkit.files import replace_text
        from strixkit.fleet import evaluate as evaluations

        if not model:
            raise InputError("no model is named", hint="--model NAME, of profiles/models/")
        item = cli.one(host, inventory)
        if plot:
            evaluation_plot.check(Path(plot))
        asked = evaluations.wish(
            item,
            model,
            variants=[name.strip() for name in variants.split(",") if name.strip()],
            base=base,
            chunks=cli.count("--chunks", chunks),
            device=device,
            keep=keep,
        )
        access = cli.access(prompt_sudo_password)
        with renderer(quiet=json) as emit:
            found = evaluations.evaluate(item, access, emit, asked, model=model)
        text = dump(display.document(found))
        print(text if json else "\n".join(display.lines(found)))
        if save:
            replace_text(Path(save), text + "\n")
        if plot:
            evaluation_plot.write(found, Path(plot))

    cli.guard(work, json)


@task(help=_help("host", "inventory", "json", "prompt-sudo-password", "service"))
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
        from strixkit.fleet.run import each, exit_code

        access = cli.access(prompt_sudo_password)
        with renderer(quiet=json) as emit:
            reports = each(cli.hosts(host, inventory), lambda item: verbs.rollback(item, access, emit, service=service))
        cli.report(reports, as_json=json, applied=True)
        if code := exit_code(reports):
            raise Exit(code=code)

    cli.guard(work, json)


@task(
    help=_help(
        "host",
        "inventory",
        replace="take out the host's other keys first (the box was installed anew)",
        yes="do not ask",
    )
)
def trust(ctx: Context, host: str = "", replace: bool = False, yes: bool = False, inventory: str = "") -> None:
    """Show the keys of a host and of the jump hosts before it that are not known, and add those that you agree to."""

    def work() -> None:
        from strixkit.display.text import clean
        from strixkit.fleet import verbs
        from strixkit.remote.hostkeys import HostKeyError
        from strixkit.remote.trust import trust

        added: list[str] = []

        def agree(refused: HostKeyError, path: Path) -> bool:
            print(clean(refused.shown()))
            try:
                answer = "yes" if yes else input(f"Is it the host's own? Add it to {path}? [yes/no] ")
            except EOFError:
                return False
            if answer.strip() == "yes":
                added.append(refused.hop.known_name)
            return answer.strip() == "yes"

        item = cli.one(host, inventory)
        agreed = trust(verbs.target(item), agree, replace=replace)
        if added:
            print(f"added the key of {', '.join(added)}")
        if not agreed:
            raise Exit("the rest was not written" if added else "nothing was written", code=1)
        if not added:
            print(f"{item.name}: its key is known already, nothing was written")

    cli.guard(work)


@task(help=_help("host", "inventory", "service", "prompt-sudo-password"))
def key(
    ctx: Context, host: str = "", service: str = "main", inventory: str = "", prompt_sudo_password: bool = False
) -> None:
    """Print the API key of a service."""

    def work() -> None:
        from strixkit.display.text import one_line
        from strixkit.fleet import verbs

        found = verbs.api_key(cli.one(host, inventory), cli.access(prompt_sudo_password), service=service)
        print(one_line(found.reveal()))

    cli.guard(work)


@task(help=_help("host", "inventory", "service", "prompt-sudo-password", text="what to say to the model"))
def ask(
    ctx: Context,
    host: str = "",
    text: str = "",
    service: str = "main",
    inventory: str = "",
    prompt_sudo_password: bool = False,
) -> None:
    """Ask a service one thing, on the box itself, and show answer, speed and draft acceptance."""

    def work() -> None:
        from strixkit.display.answer import lines
        from strixkit.errors import InputError
        from strixkit.fleet import verbs

        if not text:
            raise InputError("nothing to say is given", hint='--text "Say the alphabet."')
        answer = verbs.ask(cli.one(host, inventory), cli.access(prompt_sudo_password), service=service, text=text)
        print("\n".join(lines(answer)))

    cli.guard(work)


@task(help=_help("host", "inventory", "json", "prompt-sudo-password", limit="how many entries"))
def journal(
    ctx: Context,
    host: str = "",
    limit: str = "20",
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Show the box's own record of every apply."""

    def work() -> None:
        from strixkit.display.journal import lines
        from strixkit.display.result import dump
        from strixkit.fleet import verbs

        entries = verbs.journal(
            cli.one(host, inventory), cli.access(prompt_sudo_password), limit=cli.count("--limit", limit)
        )
        print(dump(entries) if json else "\n".join(lines(entries)))

    cli.guard(work, json)


@task(help={"keep": "leave the box running"})
def demo(ctx: Context, keep: bool = False) -> None:
    """Boot an embedded box, deploy to it as to a real one, and print a chat answer."""
    from strixkit.sandbox.demo import run

    cli.guard(lambda: run(keep=keep))


@task(
    positional=["action"],
    help={
        "action": "up, down, list or ssh",
        "names": "boxes, e.g. box01,box02 (up and ssh: box01; down: all)",
        "hardware": "identity for boxes that are made now: a name or a JSON file of facts",
        "user": "for ssh: root, admin, operator or guest",
    },
)
def sandbox(ctx: Context, action: str, names: str = "", hardware: str = "", user: str = "root") -> None:
    """Embedded boxes: `invoke sandbox up --names box01,box02`, then down, list, ssh."""
    from strixkit.sandbox import client

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    cli.guard(lambda: client.act(action, wanted, hardware, user))


ns = Collection(
    deploy,
    plan,
    audit,
    doctor,
    facts,
    inspect,
    lock,
    profiles,
    rehearse,
    build,
    pull,
    models,
    quantize,
    probe,
    evaluate,
    switch,
    rollback,
    trust,
    key,
    ask,
    journal,
    demo,
    sandbox,
)
