"""A complete file for other boxes: a unit serves it read-only and ends when nobody asks any more.

systemd opens the file and gives it as stdin, so the unit needs no right to it and no way to it.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import time
from typing import Any, Dict, List, Optional

from strixkit.remote.agent import hashes
from strixkit.remote.agent.detached import clear, running
from strixkit.remote.agent.fetch import folder, pieces, unit
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.serve import AT_REST, HAVE, Server

FOLDERS = "/run/strixkit-share"
KEYS = ("sha256", "size", "port", "secret", "seconds")
START_SECONDS = 15
FIRST_SECONDS = 900  # for the first question: who wants it may have to read half a file again before
TICK_SECONDS = 0.5


def share(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Serve the file at request["path"]; returns {"unit"}. One that serves it already in the same way stays."""
    path, sha256 = str(request["path"]), str(request["sha256"])
    folder.of(sha256)
    if not os.path.isfile(path) or os.path.getsize(path) != request["size"] or hashes.recorded(path) != sha256:
        raise FetchError("%s is not the file with sha256 %s that is to be shared" % (path, sha256))
    name = "strixkit-share-%s.service" % sha256[:12]
    here = os.path.join(FOLDERS, sha256[:12])
    wanted = {key: request[key] for key in KEYS}
    if not (running(name) and folder.read(here, folder.REQUEST) == wanted):
        fetching = [other for other in unit.serving_on(int(wanted["port"])) if unit.fetches(other)]
        if fetching:  # for another run: this one must not end it
            text = "port %d is in use by %s, which still fetches; next: the same command when that has ended"
            raise FetchError(text % (int(wanted["port"]), fetching[0]))
        clear(name)
        user = folder.account()
        os.makedirs(here, mode=0o755, exist_ok=True)
        os.chmod(FOLDERS, 0o755)
        os.chmod(here, 0o700)
        os.chown(here, user.uid, user.gid)
        unit.write(here, wanted)
        # A "+" runs as root and outside of the sandbox.
        extra = ["StandardInput=file:" + path, "ExecStopPost=+/bin/rm -rf " + here]
        unit.run(name, here, "strixkit.remote.agent.fetch.share", extra, int(wanted["port"]))
    _wait(name, wanted)
    return {"unit": name}


def _wait(name: str, wanted: "Dict[str, Any]") -> None:
    """Until it answers. Raises FetchError with its last words."""
    end = time.monotonic() + START_SECONDS
    headers = {"Authorization": "Bearer %s" % wanted["secret"], AT_REST: "yes"}
    while time.monotonic() < end and running(name):
        connection = http.client.HTTPConnection("127.0.0.1", int(wanted["port"]), timeout=5)
        try:
            connection.request("GET", "/%s/%s" % (wanted["sha256"], HAVE), headers=headers)
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    words = unit.last_words(name)
    clear(name)
    raise FetchError("%s does not answer on port %d%s" % (name, int(wanted["port"]), ": " + words if words else ""))


class Whole:
    """A complete file that is open; implements serve.Shelf. The hashes are made when they are asked for."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size

    def have(self) -> "Dict[str, Any]":
        """All of it."""
        everything = pieces.text(range(pieces.count(self._size)))
        return {"size": self._size, "pieces": everything, "done": True, "failed": ""}

    def hashes(self, first: int, last: int) -> "Optional[List[str]]":
        """Of what the disk has now."""
        if last >= pieces.count(self._size):
            return None
        return [hashlib.sha256(self.read(index)).hexdigest() for index in range(first, last + 1)]

    def read(self, index: int) -> bytes:
        """The bytes of a piece."""
        return os.pread(self._fd, pieces.length(index, self._size), index * pieces.PIECE)


def main() -> int:
    """What runs in the unit. The file is stdin."""
    wanted = folder.read(sys.argv[1], folder.REQUEST)
    shelf = Whole(sys.stdin.fileno(), int(wanted["size"]))
    try:
        server = Server(int(wanted["port"]), str(wanted["sha256"]), str(wanted["secret"]), shelf)
    except OSError as error:
        print("port %d cannot be served on: %s" % (wanted["port"], error.strerror), file=sys.stderr)
        return 1
    give(server, float(wanted["seconds"]), FIRST_SECONDS)
    return 0


def give(server: Server, seconds: float, first: float) -> None:
    """Serve until nobody has asked for so many seconds; first: how long the first question is waited for."""
    server.asked += max(0.0, first - seconds)
    server.start()
    while time.monotonic() - server.asked < seconds:
        time.sleep(TICK_SECONDS)
    server.stop()
