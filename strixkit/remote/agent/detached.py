"""One command in a transient unit that outlives the job that started it: a build's, or a tool's of the runtime.

systemd keeps how it ended until somebody has looked. Its log is root's file: nobody has to listen.
"""

from __future__ import annotations

import collections
import os
import re
import subprocess
import time
from typing import Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

from strixkit.remote.agent import lock

POLL_SECONDS = (0.05, 0.5)  # between two looks at a unit: at first, and of one that takes longer
TAIL_LINES = 400
LINE_CHARACTERS = 400
PIECE_BYTES = 1 << 20  # of the log that are read at once
# What yields to the services of the box, and is ended as a whole.
YIELDING = (
    "CPUWeight=20",  # the service's is 100
    "IOWeight=20",
    "Nice=10",
    "OOMScoreAdjust=800",  # before any service
    "OOMPolicy=stop",
    "KillMode=control-group",
    "TimeoutStopSec=10s",
)


class NotStarted(RuntimeError):
    """systemd could not start a command: there is no such program, for example. log: what was said."""

    def __init__(self, message: str, log: "Sequence[str]" = ()) -> None:
        super().__init__(message)
        self.log = list(log)


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

    status: of the exit, or the number of the signal. lines: the last ones that it wrote. seconds: that it ran.
    """

    result: str
    status: int
    lines: "List[str]"
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it did what it should."""
        return self.result == "success" and self.status == 0


class Output(NamedTuple):
    """A file of root's, and the byte where the output of a command begins in it."""

    log: str
    begin: int


# Hears each line (True), and again and again the end of one that is not finished (False); returns what is to be said.
Watch = Callable[[str, bool], str]
Progress = Callable[[str], None]
Tick = Callable[[], None]


def start(name: str, command: Command, log: str, user: "Sequence[str]", description: str) -> Output:
    """Start a command in the unit `name`, instead of what runs there; returns where its output is.

    log: a file of root's that its output is added to. user: from `transient.as_user`. Raises NotStarted.
    """
    clear(name)
    _note(log, command.argv)
    begin = os.path.getsize(log)
    output = "append:" + log
    properties = [
        *command.properties,
        "WorkingDirectory=" + command.folder,
        "ReadWritePaths=" + " ".join(command.writable),
        "StandardOutput=" + output,
        "StandardError=" + output,
        "RuntimeMaxSec=%d" % command.seconds,
    ]
    words = ["systemd-run", "--quiet", "--remain-after-exit", "--service-type=exec", "--unit=" + name]
    words += [*user, "--description=" + description]
    words += ["--property=" + word for word in properties]
    words += ["--setenv=%s=%s" % pair for pair in command.environment.items()]
    # systemd would replace $ORIGIN by a variable of that name.
    words += ["--", *(word.replace("$", "$$") for word in command.argv)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        clear(name)
        raise NotStarted("%s does not start: %s" % (command.argv[0], done.stderr.strip()), tail(log, begin))
    return Output(log, begin)


def follow(name: str, output: Output, watch: Watch, say: Progress, tick: "Optional[Tick]" = None) -> Ended:
    """Watch the unit to its end, which is then forgotten by systemd. tick: called often."""
    lines: "Deque[str]" = collections.deque(maxlen=TAIL_LINES)
    said = [""]

    def saying(text: str) -> None:
        if text and text != said[0]:
            said[0] = text
            say(text)

    with open(output.log, "rb") as handle:
        handle.seek(output.begin)
        pending, pause = b"", POLL_SECONDS[0]
        while True:
            state = _show(name)
            running = is_running(state)
            while True:
                piece = handle.read(PIECE_BYTES)
                pending, text = _take(pending + piece, lines, watch)
                saying(text)
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
    # A unit that somebody has stopped is inactive, or forgotten, and says `success`.
    result = state.get("Result", "") if state.get("ActiveState") in ("active", "failed") else "stopped"
    return Ended(result, int(state.get("ExecMainStatus", "0") or 0), list(lines), _seconds(state))


def _seconds(state: "Dict[str, str]") -> float:
    begin, end = (state.get("ExecMain%sTimestampMonotonic" % name, "") for name in ("Start", "Exit"))
    return max(0, int(end) - int(begin)) / 1e6 if begin.isdigit() and end.isdigit() else 0.0


def _take(data: bytes, lines: "Deque[str]", watch: Watch) -> "Tuple[bytes, str]":
    """Take the whole lines; returns what is left, and the last of what is to be said. git ends a line by CR."""
    *whole, rest = re.split(rb"[\r\n]", data)
    said = ""
    for line in whole:
        text = _text(line)
        if text:
            lines.append(text)
        said = watch(text, True) or said
    rest = rest[-PIECE_BYTES:]
    return rest, (watch(_text(rest[-LINE_CHARACTERS:]), False) if rest else "") or said


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


def known(name: str) -> bool:
    """Whether the unit is at work, or has ended and nobody has looked how."""
    return _show(name).get("ActiveState", "inactive") != "inactive"


def is_running(state: "Dict[str, str]") -> bool:
    """Whether the main process of a unit is there, or about to be, or about to end."""
    active, sub = state.get("ActiveState", ""), state.get("SubState", "")
    return active in ("activating", "deactivating", "reloading") or (active == "active" and sub != "exited")


def clear(name: str) -> None:
    """End the unit and let systemd forget it."""
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, "--", name], stdin=subprocess.DEVNULL, capture_output=True)


def units(pattern: str) -> "List[str]":
    """The units that are at work, or have ended and nobody has looked how, e.g. of `strixkit-build-*.service`."""
    words = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--", pattern]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def _show(name: str) -> "Dict[str, str]":
    wanted = "--property=ActiveState,SubState,Result,ExecMainStatus,"
    wanted += "ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic"
    done = subprocess.run(["systemctl", "show", wanted, "--", name], stdin=subprocess.DEVNULL, capture_output=True)
    return dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if "=" in line)


def _note(log: str, argv: "Sequence[str]") -> None:
    """Say in the log what runs, for who reads it later."""
    with open(log, "ab") as handle:
        handle.write(("$ %s\n" % " ".join(argv)).encode())
