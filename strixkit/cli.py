"""What the verbs of the command line share. Heavy modules are imported when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from invoke import Exit

if TYPE_CHECKING:
    from strixkit.config.host import Host
    from strixkit.fleet.run import Report
    from strixkit.fleet.verbs import Access
    from strixkit.host.files import Wanted

ROOT = Path(__file__).resolve().parent.parent
INTERRUPTED = "interrupted; a run that had begun on a box goes on there, and the same command attaches to it"
T = TypeVar("T")
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


def flags(*names: str, **extra: str) -> dict[str, str]:
    """Help texts of the flags that verbs share, and of a verb's own."""
    return {**{name: HELP[name] for name in names}, **extra}


def _fail(error: Exception, code: int, as_json: bool) -> Exit:
    from strixkit.display.text import clean

    if as_json:
        from strixkit.display.result import failure

        print(failure(error))
    print(f"error: {clean(str(error))}", file=sys.stderr)
    return Exit(code=code)


def guard(work: Callable[[], T], as_json: bool = False) -> T:
    """Turn an expected failure into its message and exit code, and into a document where one is promised."""
    from strixkit.errors import StrixError

    try:
        return work()
    except StrixError as error:
        raise _fail(error, error.exit_code, as_json) from error
    except BrokenPipeError as error:  # who reads the pipe has left, e.g. `| head`
        from strixkit.display.events import mute_stdout

        mute_stdout()
        raise Exit(code=1) from error
    except KeyboardInterrupt as error:
        raise _fail(Exception(INTERRUPTED), 130, as_json) from error


def hosts(host: str, inventory: str) -> list[Host]:
    """The hosts that `--host` selects. Raises InputError."""
    from strixkit.config.document import shown
    from strixkit.config.inventory import load_inventory
    from strixkit.errors import InputError

    found = load_inventory(Path(inventory) if inventory else ROOT / "inventory.yaml")
    if not host.strip():
        groups = [name for name, members in found.groups.items() if members]
        known = f"hosts {', '.join(found.hosts) or 'none'}; groups {', '.join(groups) or 'none'}"
        raise InputError(f"no host is named; {shown(found.path)} has {known}", hint="--host NAME, or several by commas")
    return found.select(host)


def known(inventory: str) -> list[Host]:
    """All hosts of the inventory. Raises InputError."""
    from strixkit.config.inventory import load_inventory

    return list(load_inventory(Path(inventory) if inventory else ROOT / "inventory.yaml").hosts.values())


def wanted(model: str, variant: str) -> Wanted | None:
    """The model that flags name; None: those of the services. Raises InputError."""
    from strixkit.errors import InputError
    from strixkit.host.files import Wanted

    if variant and not model:
        raise InputError(f"--variant {variant} needs --model too", hint="--model NAME, of profiles/models/")
    return Wanted(model, variant or None) if model else None


def access(prompt: bool) -> Access:
    """How to become root, with the password asked for when it is wanted."""
    from strixkit.fleet.verbs import Access
    from strixkit.secret import Secret

    if not prompt:
        return Access()
    import getpass

    return Access(Secret(getpass.getpass("sudo password: ")))


def one(host: str, inventory: str) -> Host:
    """The one host that `--host` names. Raises InputError."""
    from strixkit.errors import InputError

    found = hosts(host, inventory)
    if len(found) != 1:
        raise InputError(f"one host is wanted here, {host} names {len(found)}")
    return found[0]


def count(flag: str, text: str) -> int:
    """The number that a flag gives; 0 when it is not given. Raises InputError, which Invoke's own int would not."""
    from strixkit.errors import InputError

    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise InputError(f"{flag} takes a whole number of 1 or more, found {text!r}")
    return int(text)


def choice(flag: str, text: str, known: Sequence[str]) -> None:
    """Raises InputError for a value that a flag does not have."""
    from strixkit.errors import InputError

    if text not in known:
        raise InputError(f"{flag} takes {', '.join(known)}, found {text!r}")


def share(flag: str, text: str, default: float) -> float:
    """The share that a flag gives, from 0 to 1. Raises InputError."""
    from strixkit.errors import InputError

    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"{flag} takes a share from 0 to 1, found {text!r}")
    return value


def cancel(hosts: Sequence[Host], access: Access, verb: str, *, as_json: bool) -> None:
    """End what a verb has at work on hosts, and say what that was."""
    from dataclasses import asdict

    from strixkit.display.cancel import lines
    from strixkit.display.result import dump
    from strixkit.fleet.cancel import cancel_each
    from strixkit.fleet.run import common_code

    ended = cancel_each(hosts, access, verb)
    print(dump({"hosts": [asdict(item) for item in ended]}) if as_json else "\n".join(lines(ended, verb)))
    if code := common_code(item.exit_code for item in ended):
        raise Exit(code=code)


def report(reports: Sequence[Report], *, as_json: bool, applied: bool, full: bool = False) -> None:
    """Print the end of a run, for people or as one JSON document; `full`: with memory plan and unit of each service.

    Raises Exit where the run was not good, with its code.
    """
    from strixkit.display.result import document, reboots, summary
    from strixkit.fleet.run import exit_code

    if as_json:
        print(document(reports))
    else:
        print("\n".join(summary(reports, applied=applied)))
        if full:
            from strixkit.display.plan import show

            for item in reports:
                show(item.outcome, unit=True)
        for line in reboots(reports):
            print(line)
    if code := exit_code(reports):
        raise Exit(code=code)
