"""Another box that has pieces, asked over the LAN by one connection."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Set

from strixkit.remote.agent.fetch import pieces
from strixkit.remote.agent.fetch.download import Shared
from strixkit.remote.agent.fetch.origin import shut_down
from strixkit.remote.agent.fetch.serve import AT_REST, HASHES
from strixkit.remote.agent.fetch.work import Run

POLL_SECONDS = 0.5  # between two questions what it has
REST_SECONDS = 2.0  # the same when nothing more is wanted of it, and after what went wrong
CONNECT_SECONDS = 5.0
RUN_PIECES = 16
HAVE_BYTES = 1 << 22
# A peer may send whatever it likes as JSON: too deep, or numbers that are none.
BROKEN = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, OverflowError, RecursionError)


class Place(NamedTuple):
    """Where a peer serves; its addresses are tried in order."""

    name: str
    addresses: "List[str]"
    port: int


def _ask_whether_alive(sock: socket.socket) -> None:
    """Let the kernel ask a peer that is silent: one that has booted again says that it knows nothing of this."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 3), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Client:
    """Use from one thread. own: the id of this box's own server, which is no peer, whatever its address."""

    def __init__(self, place: Place, sha256: str, secret: str, own: str, seconds: float) -> None:
        self._place = place
        self._path = "/%s/" % sha256
        self._headers = {"Authorization": "Bearer " + secret}
        self._own = own
        self._seconds = seconds
        self._connection: "Optional[http.client.HTTPConnection]" = None
        self._first = 0  # of the addresses, the one that answered

    def have(self, at_rest: bool = False) -> "Dict[str, Any]":
        """What it has. at_rest: nothing is wanted of it any more. Raises one of BROKEN."""
        failure: "Optional[Exception]" = None
        for number in range(len(self._place.addresses)):
            try:
                if self._connection is None:
                    self._connect(self._place.addresses[(self._first + number) % len(self._place.addresses)])
                value = json.loads(self._ask("have", at_rest).read(HAVE_BYTES))
                if value["id"] == self._own:
                    raise ValueError("this box itself answers there")
            except BROKEN as error:
                failure = error
                self.close()
            else:
                self._first = (self._first + number) % len(self._place.addresses)
                return dict(value)
        raise failure or ValueError("it has no address")

    def _connect(self, address: str) -> None:
        # On a LAN who does not answer soon is not there, and the next address may be the right one.
        self._connection = http.client.HTTPConnection(address, self._place.port, timeout=CONNECT_SECONDS)
        self._connection.connect()
        self._connection.sock.settimeout(self._seconds)
        _ask_whether_alive(self._connection.sock)

    def run(self, run: Run) -> "http.client.HTTPResponse":
        """The answer with the bytes of a run."""
        return self._ask("piece/%d-%d" % run)

    def _ask(self, what: str, at_rest: bool = False) -> "http.client.HTTPResponse":
        if self._connection is None:
            raise OSError("not connected")
        headers = dict(self._headers, **{AT_REST: "yes"}) if at_rest else self._headers
        self._connection.request("GET", self._path + what, headers=headers)
        response = self._connection.getresponse()
        if response.status != 200:
            raise OSError("it answers %d" % response.status)
        return response

    def abort(self) -> None:
        """From another thread: end what is waited for."""
        shut_down(self._connection)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Peer:
    """One peer. For the engine: what it has, why it cannot be reached and since when, whether it is done or failed."""

    def __init__(self, shared: Shared, place: Place, client: Client) -> None:
        self.name = place.name
        self.where = "%s (%s port %d)" % (place.name, ", ".join(place.addresses), place.port)
        self.has: "Set[int]" = set()
        self.unreachable = "not asked yet"
        self.answered = False  # ever
        self.since = time.monotonic()
        self.grown = time.monotonic()
        self.done = False
        self.failed = ""
        self.fault = ""  # the last one
        self._shared = shared
        self._client = client
        self._buffer = memoryview(bytearray(pieces.PIECE))

    def run(self, finished: threading.Event) -> None:
        """Ask what it has, and fetch of that what is wanted; until `finished`. Raises FetchError (a full disk)."""
        shared = self._shared
        while not finished.is_set():
            busy, at_rest = False, shared.stop.is_set() or shared.store.complete()
            try:
                self._look(self._client.have(at_rest))
            except BROKEN as error:
                self._client.close()
                if not self.unreachable:
                    self.since = time.monotonic()
                self.unreachable = _reason(error)
            else:
                busy = self._try()
            if not busy:
                at_rest = shared.stop.is_set() or shared.store.complete()
                finished.wait(REST_SECONDS if at_rest else POLL_SECONDS)
        self._client.close()

    def _try(self) -> bool:
        """As `_fetch_some`; what goes wrong is remembered."""
        try:
            return self._fetch_some()
        except BROKEN as error:
            self._client.close()
            self.fault = _reason(error)
            return False

    def _fetch_some(self) -> bool:
        """Fetch until it is time to ask again what it has; False when it has nothing that is wanted."""
        end = time.monotonic() + POLL_SECONDS
        while not self._shared.stop.is_set() and time.monotonic() < end:
            run = self._shared.work.take_shared(self.has, RUN_PIECES)
            if run is None:
                return False
            self._fetch(run)
        return not self._shared.stop.is_set()

    def _look(self, value: "Dict[str, Any]") -> None:
        store = self._shared.store
        if int(value["size"]) != store.size:
            raise ValueError("it has a file of %d bytes, wanted %d" % (int(value["size"]), store.size))
        has = pieces.parse(str(value["pieces"]), store.number)
        if has - self.has:
            self.grown = time.monotonic()
        self.has = has
        self.done, self.failed = bool(value["done"]), str(value["failed"])[:500]
        self.unreachable, self.answered = "", True

    def _fetch(self, run: Run) -> None:
        shared, left = self._shared, set(range(run[0], run[1] + 1))
        try:
            response = self._client.run(run)
            hashes = (response.getheader(HASHES) or "").split(",")
            if len(hashes) != len(left):
                raise ValueError("it sent %d hashes of %d pieces" % (len(hashes), len(left)))
            for index, sha256 in zip(sorted(left), hashes):
                data = self._read(response, pieces.length(index, shared.store.size))
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise ValueError("piece %d has other bytes than its hash says" % index)
                shared.store.put(index, data, self.name, sha256)
                shared.work.done(index)
                left.discard(index)
        finally:
            shared.work.give_back(left)

    def _read(self, response: "http.client.HTTPResponse", length: int) -> memoryview:
        have = 0
        while have < length:
            number = response.readinto(self._buffer[have:length])
            if number == 0:
                raise OSError("it ended the connection before all bytes had come")
            have += number
            self._shared.status.arrived(self.name, number)
        return self._buffer[:length]


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
