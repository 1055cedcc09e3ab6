"""The user's side of the boxes: asks for root only for the commands that need it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strixkit.errors import InputError, StrixError
from strixkit.host.cache import folder


def directory() -> Path:
    """Where the user's key and known_hosts for the boxes are; inventory.yaml names the same place."""
    return folder() / "sandbox"


def command(*words: str) -> list[str]:
    """`python -m strixkit.sandbox ...`, by sudo when the user is not root."""
    become = [] if os.geteuid() == 0 else ["sudo", "--"]
    return [*become, sys.executable, "-m", "strixkit.sandbox", *words]


def run(*words: str) -> None:
    """Run one command of the boxes, its output going to the terminal. Raises StrixError."""
    argv = command(*words)
    if argv[0] == "sudo":
        print(f"needs root for boxes: {' '.join(argv)}")
    done = subprocess.run(argv, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        error = InputError if done.returncode == 2 else StrixError
        raise error(done.stderr.strip().removeprefix("error: ") or f"{' '.join(argv)}: exit {done.returncode}")


def boxes() -> list[dict[str, Any]]:
    """Name, address and pid of each box."""
    done = subprocess.run(command("list", "--json"), check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def up(names: Sequence[str], hardware: str = "") -> None:
    """Boot boxes; the client folder is made as the user, so that it stays the user's."""
    directory().mkdir(parents=True, exist_ok=True, mode=0o700)
    extra = ["--hardware", hardware] if hardware else []
    run("up", *names, "--client", str(directory()), *extra)


def ssh_argv(name: str, user: str) -> list[str]:
    """The ssh command line to a box."""
    for box in boxes():
        if box["name"] == name:
            options = ["-i", str(directory() / "id_ed25519"), "-o", f"UserKnownHostsFile={directory() / 'known_hosts'}"]
            return [
                "ssh",
                *options,
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "IdentitiesOnly=yes",
                f"{user}@{box['address']}",
            ]
    raise InputError(f"no box {name} is up", hint=f"invoke sandbox up --names {name}")


def act(action: str, names: Sequence[str], hardware: str, user: str) -> None:
    """The verb `invoke sandbox`. Raises InputError for an unknown action."""
    if action == "up":
        up(names or ["box01"], hardware)
    elif action == "down":
        run("down", *names)
    elif action == "ssh":
        argv = ssh_argv(names[0] if names else "box01", user)
        os.execvp(argv[0], argv)
    elif action != "list":
        raise InputError(f"unknown action {action}; there are up, down, list, ssh")
    if action in ("up", "list"):
        run("list")
