"""Keys and questions, and embedded boxes. One thin task per verb; heavy modules are imported when it runs."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, Exit, task

from strixkit import cli


@task(
    help=cli.flags(
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


@task(help=cli.flags("host", "inventory", "service", "prompt-sudo-password"))
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


@task(help=cli.flags("host", "inventory", "service", "prompt-sudo-password", text="what to say to the model"))
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
