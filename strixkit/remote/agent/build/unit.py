"""One command of a build, detached, as the user that builds; all of a build run in one unit name, one by one."""

from __future__ import annotations

import re
from typing import Optional, Sequence

from strixkit.remote.agent import atomic, detached, paths, transient
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.work import USER, account
from strixkit.remote.agent.detached import Command, Ended, Output, Progress, Tick, clear, is_running, running

__all__ = ["Cancelled", "Command", "Ended", "NotStarted", "Output", "check_cancelled", "clear", "follow", "is_running"]
__all__ += ["run", "running"]

CANCELLED = paths.RUN + "/build-cancelled.json"  # who has cancelled the build that runs
# Ninja's [n/m], the percentage of make and CMake, and git's.
PROGRESS = re.compile(r"\[ *[0-9]+(?:/[0-9]+|%)\] .*|(?:Receiving objects|Resolving deltas): +[0-9]+%.*")
# What every command of a build gets, whether it fetches or compiles.
PROPERTIES = (*detached.YIELDING, *transient.LOCKED_DOWN)


class NotStarted(BuildError):
    """systemd could not start a command: there is no such program, for example."""


class Cancelled(BuildError):
    """Somebody has ended the build; nothing of it is at fault."""


def run(name: str, command: Command, log: str, progress: Progress, tick: "Optional[Tick]" = None) -> Ended:
    """Run a command to its end. Raises NotStarted, and Cancelled when somebody ends it.

    name: of the unit. log: a file of root's that its output is added to. progress: hears [n/m]. tick: called often.
    """
    check_cancelled()
    command = command._replace(properties=(*PROPERTIES, *command.properties))
    user = ["--uid=" + USER, "--gid=%d" % account().gid]
    try:
        output = detached.start(name, command, log, user, "strixkit build")
    except detached.NotStarted as error:
        raise NotStarted(str(error), error.log) from error
    return follow(name, output, progress, tick)


def follow(name: str, output: Output, progress: Progress, tick: "Optional[Tick]" = None) -> Ended:
    """Watch the unit to its end, which is then forgotten by systemd. Raises Cancelled."""
    ended = detached.follow(name, output, _counted, progress, tick)
    check_cancelled(ended.lines)
    return ended


def _counted(line: str, whole: bool) -> str:
    return line if whole and PROGRESS.match(line) else ""


def check_cancelled(lines: "Sequence[str]" = ()) -> None:
    """Raises Cancelled when somebody has ended the build."""
    cancelled = atomic.read_json(CANCELLED)
    if isinstance(cancelled, dict):
        raise Cancelled("the build was cancelled by %s; the same command goes on with it" % cancelled["who"], lines)
