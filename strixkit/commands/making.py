"""What is fetched and made: runtimes, models. One thin task per verb; heavy modules are imported when it runs."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, Exit, task

from strixkit import cli


@task(
    help=cli.flags(
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
    help=cli.flags(
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
        from strixkit.display.events import renderer
        from strixkit.fleet import build as builds
        from strixkit.fleet.run import each

        hosts = cli.hosts(host, inventory)
        access = cli.access(prompt_sudo_password)
        if cancel:
            cli.cancel(hosts, access, "build", as_json=json)
            return
        with renderer(quiet=json) as emit:
            if push:
                source, targets = cli.one(host, inventory), cli.hosts(push, inventory)
                reports = builds.build_and_push(source, targets, access, emit)
            else:
                reports = each(hosts, lambda item: builds.build(item, access, emit))
        cli.report(reports, as_json=json, applied=True)

    cli.guard(work, json)


@task(
    help=cli.flags(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        model="a model of the catalogue instead of those of the services",
        variant="a variant of it (default: the model's default one)",
        from_="a file, or a folder with it, on this machine, that is sent instead of fetched",
        to="a folder on this machine that gets the file, for boxes without internet; no box is asked",
        no_share="each box fetches for itself, and none gives to another",
        cancel="end what goes on there; what is there is kept, and the same command goes on with it",
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
    cancel: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Bring model files to boxes: once from the hub for all of them, the rest from each other; verified."""

    def work() -> None:
        if cancel:
            cli.cancel(cli.hosts(host, inventory), cli.access(prompt_sudo_password), "pull", as_json=json)
            return
        from strixkit.display.events import renderer
        from strixkit.display.result import dump
        from strixkit.fleet.carry import carry
        from strixkit.fleet.pull import Pull
        from strixkit.fleet.pull import pull as pull_files

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

    cli.guard(work, json)


@task(
    help=cli.flags(
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
                codes.append(int(verify and any(file.faults or file.unread for file in found.files)))
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
    help=cli.flags(
        "host",
        "inventory",
        "json",
        "prompt-sudo-password",
        model="a model of the catalogue that has a recipe",
        variant="one that its recipe makes (default: all of them)",
        plan="show what would be made and what room it takes; nothing is touched",
        published_imatrix="take the importance matrix that the model's author has made, and measure none",
        cancel="end what goes on there; what is there is kept, and the same command goes on with it",
    )
)
def quantize(
    ctx: Context,
    host: str = "",
    model: str = "",
    variant: str = "",
    plan: bool = False,
    published_imatrix: bool = False,
    cancel: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Make a model's quantised files on a host by its recipe, from BF16, and check what came of it."""

    def work() -> None:
        if cancel:
            cli.cancel(cli.hosts(host, inventory), cli.access(prompt_sudo_password), "quantize", as_json=json)
            return
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
        wanted = making(model, variant or None, published=published_imatrix)
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
    help=cli.flags(
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
        cancel="end what goes on there; what is there is kept, and the same command goes on with it",
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
    cancel: bool = False,
    inventory: str = "",
    json: bool = False,
    prompt_sudo_password: bool = False,
) -> None:
    """Compare a model's variants on held-out texts: perplexity, and divergence from the file they were made from."""

    def work() -> None:
        if cancel:
            cli.cancel(cli.hosts(host, inventory), cli.access(prompt_sudo_password), "evaluate", as_json=json)
            return
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
        if save and not Path(save).absolute().parent.is_dir():
            raise InputError(f"--save {save}: there is no folder {Path(save).absolute().parent}", hint="make it first")
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
