"""What only looks: at boxes, files and profiles. One thin task per verb; heavy modules are imported when it runs."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, Exit, task

from strixkit import cli
from strixkit.commands.deploying import profiles_of


@task(
    help=cli.flags(
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
    help=cli.flags(
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
    iterable=["facts"],
    help=cli.flags(
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
    positional=["file"],
    help=cli.flags(
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
    help=cli.flags(
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
        profiles = profiles_of([item], profile, service)
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
    help=cli.flags(
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


@task(help=cli.flags("host", "inventory", "json", "prompt-sudo-password", limit="how many entries"))
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
