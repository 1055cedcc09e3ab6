"""One command of a build in a transient unit of the user that builds; it outlives the job that started it.

All commands of a build run one after the other in one unit name. Its log is root's file: nobody has to listen.
"""

from __future__ import annotations

import collections
import os
import re
import subprocess
import time
from typing import Callable, Deque, Dict, List, NamedTuple, Optional, Sequence

from strixkit.remote.agent import atomic, lock, paths, transient
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.work import USER, account

CANCELLED = paths.RUN + "/build-cancelled.json"  # who has cancelled the build that runs
POLL_SECONDS = (0.05, 0.5)  # between two looks at a unit: at first, and of one that takes longer
TAIL_LINES = 400
LINE_CHARACTERS = 400
PIECE_BYTES = 1 << 20  # of the log that are read at once
# Ninja's [n/m], the percentage of make and CMake, and git's.
PROGRESS = re.compile(r"\[ *[0-9]+(?:/[0-9]+|%)\] .*|(?:Receiving objects|Resolving deltas): +[0-9]+%.*")
# What every command of a build gets, whether it fetches or compiles.
PROPERTIES = (
    "CPUWeight=20",  # the service's is 100
    "IOWeight=20",
    "Nice=10",
    "OOMScoreAdjust=800",  # before any service
    "OOMPolicy=stop",
    "KillMode=control-group",
    "TimeoutStopSec=10s",
    *transient.LOCKED_DOWN,
)


class NotStarted(BuildError):
    """systemd could not start a command: there is no such program, for example."""


class Cancelled(BuildError):
    """Somebody has ended the build; nothing of it is at fault."""


class Command(NamedTuple):
    """What runs. folder: where it begins. writable: all that it may write to. seconds: then it is ended."""

    argv: "Sequence[str]"
    folder: str
    writable: "Sequence[str]"
    environment: "Dict[str, str]"
    properties: "Sequence[str]" = ()
    seconds: int = lock.LIMIT_SECONDS


class Ended(NamedTuple):
    """How it ended. result: systemd's word (success, exit-code, signal, oom-kill, timeout, ...), or `stopped`.

    status: of the exit, or the number of the signal. lines: the last ones that it wrote.
    """

    result: str
    status: int
    lines: "List[str]"

    @property
    def ok(self) -> bool:
        """Whether it did what it should."""
        return self.result == "success" and self.status == 0


Progress = Callable[[str], None]
Tick = Callable[[], None]


def run(name: str, command: Command, log: str, progress: Progress, tick: "Optional[Tick]" = None) -> Ended:
    """Run a command to its end. Raises NotStarted, and Cancelled when somebody ends it.

    name: of the unit. log: a file of root's that its output is added to. progress: hears [n/m]. tick: called often.
    """
    check_cancelled()
    user = account()
    clear(name)
    _note(log, command.argv)
    begin = os.path.getsize(log)
    output = "append:" + log
    properties = [
        *PROPERTIES,
        *command.properties,
        "WorkingDirectory=" + command.folder,
        "ReadWritePaths=" + " ".join(command.writable),
        "StandardOutput=" + output,
        "StandardError=" + output,
        "RuntimeMaxSec=%d" % command.seconds,
    ]
    words = ["systemd-run", "--quiet", "--remain-after-exit", "--service-type=exec", "--unit=" + name]
    words += ["--uid=" + USER, "--gid=%d" % user.gid, "--description=strixkit build"]
    words += ["--property=" + word for word in properties]
    words += ["--setenv=%s=%s" % pair for pair in command.environment.items()]
    # systemd would replace $ORIGIN by a variable of that name.
    words += ["--", *(word.replace("$", "$$") for word in command.argv)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        clear(name)
        raise NotStarted("%s does not start: %s" % (command.argv[0], done.stderr.strip()), tail(log, begin))
    return follow(name, log, begin, progress, tick)


def follow(name: str, log: str, begin: int, progress: Progress, tick: "Optional[Tick]" = None) -> Ended:
    """Watch the unit to its end, which is then forgotten by systemd. Raises Cancelled."""
    lines: "Deque[str]" = collections.deque(maxlen=TAIL_LINES)
    with open(log, "rb") as handle:
        handle.seek(begin)
        pending, pause = b"", POLL_SECONDS[0]
        while True:
            state = _show(name)
            running = is_running(state)
            while True:
                piece = handle.read(PIECE_BYTES)
                pending = _take(pending + piece, lines, progress)
                if len(piece) < PIECE_BYTES:
                    break
            if not running:
                break
            if tick is not None:
                tick()
            time.sleep(pause)
            pause = min(pause * 1.5, POLL_SECONDS[1])
    if pending:
        lines.append(_text(pending))
    clear(name)
    check_cancelled(list(lines))
    # A unit that somebody has stopped is inactive, or forgotten, and says `success`.
    result = state.get("Result", "") if state.get("ActiveState") in ("active", "failed") else "stopped"
    return Ended(result, int(state.get("ExecMainStatus", "0") or 0), list(lines))


def _take(data: bytes, lines: "Deque[str]", progress: Progress) -> bytes:
    """Take the whole lines, and say the last progress among them; returns what is left. git ends a line by CR."""
    *whole, rest = re.split(rb"[\r\n]", data)
    said = ""
    for line in whole:
        text = _text(line)
        if text:
            lines.append(text)
        if PROGRESS.match(text):
            said = text
    if said:
        progress(said)
    return rest[-PIECE_BYTES:]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()[:LINE_CHARACTERS]


def tail(log: str, begin: int) -> "List[str]":
    """The last lines of a log from a byte on."""
    with open(log, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(begin, size - PIECE_BYTES))
        return [_text(line) for line in handle.read().splitlines()][-TAIL_LINES:]


def running(name: str) -> bool:
    """Whether the unit is at work: an earlier job was killed and has left it."""
    return is_running(_show(name))


def is_running(state: "Dict[str, str]") -> bool:
    """Whether the main process of a unit is there, or about to be, or about to end."""
    active, sub = state.get("ActiveState", ""), state.get("SubState", "")
    return active in ("activating", "deactivating", "reloading") or (active == "active" and sub != "exited")


def clear(name: str) -> None:
    """End the unit and let systemd forget it."""
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, "--", name], stdin=subprocess.DEVNULL, capture_output=True)


def check_cancelled(lines: "Sequence[str]" = ()) -> None:
    """Raises Cancelled when somebody has ended the build."""
    cancelled = atomic.read_json(CANCELLED)
    if isinstance(cancelled, dict):
        raise Cancelled("the build was cancelled by %s; the same command goes on with it" % cancelled["who"], lines)


def _show(name: str) -> "Dict[str, str]":
    wanted = "--property=ActiveState,SubState,Result,ExecMainStatus"
    done = subprocess.run(["systemctl", "show", wanted, "--", name], stdin=subprocess.DEVNULL, capture_output=True)
    return dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if "=" in line)


def _note(log: str, argv: "Sequence[str]") -> None:
    """Say in the log what runs, for who reads it later."""
    with open(log, "ab") as handle:
        handle.write(("$ %s\n" % " ".join(argv)).encode())
