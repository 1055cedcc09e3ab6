"""The transient unit of a fetch; it outlives the job and the session that started it."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, Dict, List, Sequence

from strixkit.remote.agent import atomic, paths, program, transient
from strixkit.remote.agent.detached import clear, running
from strixkit.remote.agent.fetch import folder
from strixkit.remote.agent.fetch.errors import FetchError

NAME = re.compile(r"strixkit-fetch-([0-9a-f]{12})\.service")
PORT = "STRIXKIT_PORT"
DAYS = 3  # then it is ended, whatever it does
# Reads the zip that lies beside what it is asked for; nothing of the request is an argument.
COMMAND = 'import sys;sys.path.insert(0,sys.argv[1]+"/%s");from %s import main;sys.exit(main())'
KEYS = ("sha256", "size", "url", "token", "pieces", "peers", "port", "secret")
PROPERTIES = (
    "CPUWeight=20",  # the service's is 100
    "IOWeight=20",
    "Nice=10",
    "OOMScoreAdjust=800",  # before any service
    "KillMode=control-group",
    "TimeoutStopSec=5s",
    "RuntimeMaxSec=%d" % (DAYS * 86400),
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "LimitCORE=0",  # there are secrets in its memory
    *transient.LOCKED_DOWN,
)


def name(sha256: str) -> str:
    """Of the unit that fetches a file."""
    return "strixkit-fetch-%s.service" % sha256[:12]


def request_of(step: "Dict[str, Any]") -> "Dict[str, Any]":
    """What the unit has to know; the path and the owner are root's business."""
    return {key: step[key] for key in KEYS}


def at_work(sha256: str) -> bool:
    """Whether the unit fetches or serves."""
    return running(name(sha256))


def start(here: str, request: "Dict[str, Any]") -> None:
    """Start the unit, or another one instead of it; nothing that is recorded is lost. Raises FetchError."""
    sha256 = str(request["sha256"])
    clear(name(sha256))
    for left in (folder.DONE, folder.STATUS):
        atomic.remove(os.path.join(here, left))
    write(here, request)
    extra = ["ReadWritePaths=" + here, "Restart=on-abnormal", "RestartSec=1s"]
    if request["token"] and os.path.exists(paths.HUB_TOKEN):
        extra.append("LoadCredential=huggingface:" + paths.HUB_TOKEN)
    port = int(request["port"])
    run(name(sha256), here, "strixkit.remote.agent.fetch.child", extra, port)


def write(here: str, request: "Dict[str, Any]") -> None:
    """The request, for the user that fetches alone, and the agent."""
    atomic.write(os.path.join(here, folder.PROGRAM), program.zipped(), 0o644)
    user = folder.account()
    atomic.write_json(os.path.join(here, folder.REQUEST), request)
    os.chown(os.path.join(here, folder.REQUEST), user.uid, user.gid, follow_symlinks=False)


def run(unit: str, here: str, module: str, extra: "Sequence[str]", port: int) -> None:
    """Run `main` of a module with a folder in a unit that serves on a port. Raises FetchError when it does not start.

    One that serves there still is of an earlier run, and is ended.
    """
    user = folder.account()
    if port:
        for other in serving_on(port):
            clear(other)
    words: "List[str]" = ["systemd-run", "--quiet", "--collect", "--service-type=exec", "--unit=" + unit]
    words += ["--uid=" + folder.USER, "--gid=%d" % user.gid, "--setenv=%s=%d" % (PORT, port)]
    words += ["--description=strixkit: a large file"]
    words += ["--property=" + word for word in (*PROPERTIES, *extra)]
    words += ["--", "python3", "-I", "-S", "-c", COMMAND % (folder.PROGRAM, module), here]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        clear(unit)
        raise FetchError("%s does not start: %s" % (unit, done.stderr.strip()))


def serving_on(port: int) -> "List[str]":
    """The units that serve on a port, or were told to."""
    words = ["systemctl", "show", "--property=Id,Environment", "strixkit-fetch-*.service", "strixkit-share-*.service"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = []
    for block in done.stdout.split("\n\n"):
        lines = block.splitlines()
        if any(line.startswith("Environment=") and "%s=%d" % (PORT, port) in line[12:].split() for line in lines):
            found += [line[3:] for line in lines if line.startswith("Id=")]
    return found


def fetches(unit: str) -> bool:
    """Whether a unit that is at work still fetches, and does not only give."""
    match = NAME.fullmatch(unit)
    names = os.listdir(paths.INCOMING) if match and os.path.isdir(paths.INCOMING) else []
    found = [os.path.join(paths.INCOMING, one) for one in names if match and one.startswith(match[1])]
    return any(not folder.read(here, folder.DONE) for here in found)


def last_words(unit: str) -> str:
    """The last line that a unit wrote to the journal."""
    words = ["journalctl", "--unit=" + unit, "--lines=1", "--output=cat", "--no-pager"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.strip()[-500:]
