"""Fetching one file: connections to its origin, peers, one reader that hashes it all, and when it is in vain."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Union

from strixkit.remote.agent.fetch import pieces, status, waiting
from strixkit.remote.agent.fetch.download import Download, Shared
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.origin import File, Origin, Seen, shown
from strixkit.remote.agent.fetch.patience import Limits, Patience
from strixkit.remote.agent.fetch.peers import Client, Peer, Place
from strixkit.remote.agent.fetch.pieces import ORIGIN
from strixkit.remote.agent.fetch.serve import Server
from strixkit.remote.agent.fetch.status import Status
from strixkit.remote.agent.fetch.store import Store
from strixkit.remote.agent.fetch.work import Work

TICK_SECONDS = 0.2
STATUS_SECONDS = 1.0
SYNC_SECONDS = 3.0  # what is left for the end is waited for
BIND_SECONDS = 10.0
CLOSE_SECONDS = 10.0
LAST_PIECE_SECONDS = 4.0  # less than the unit's TimeoutStopSec


class Request(NamedTuple):
    """What is wanted. pieces: those that this box fetches from the origin. port: 0 serves nobody."""

    file: File
    pieces: str = pieces.ALL
    peers: "List[Place]" = []  # noqa: RUF012  never changed
    port: int = 0
    secret: str = ""


class Engine:
    """Use once. folder: of the data, the record and the status; say: hears what is worth a line of a log."""

    def __init__(
        self,
        folder: str,
        request: Request,
        limits: "Optional[Limits]" = None,
        say: "Optional[Callable[[str], None]]" = None,
    ) -> None:
        self._folder = folder
        self._request = request
        self._limits = limits or Limits()
        self._say = say or (lambda text: None)
        self.store = Store(folder, request.file.size)
        self.status = Status(self.store)
        self._peers: "List[Peer]" = []
        self._server: "Optional[Server]" = None
        self._shared: "Optional[Shared]" = None
        self._threads: "List[threading.Thread]" = []
        self._sockets: "List[Union[Origin, Client]]" = []
        self._finished = threading.Event()  # nothing more is asked of anybody
        self._hashed = ""
        self._ending = False
        self._downloads: "List[threading.Thread]" = []
        self._failure: "Optional[BaseException]" = None
        self.note = ""

    def run(self, progress: "Optional[Callable[[Dict[str, Any]], None]]" = None) -> "Dict[str, int]":
        """Fetch what is missing; returns the bytes by source. Raises FetchError, OSError.

        progress: hears status.Status.value once a second.
        """
        try:
            return self._run(progress)
        except BaseException as error:
            self._failure = self._failure or error
            if self._shared is not None:
                self._shared.stop.set()
                if not self.store.have:
                    self.store.throw_away()  # a file of nothing would only take the room
            raise

    def _run(self, progress: "Optional[Callable[[Dict[str, Any]], None]]") -> "Dict[str, int]":
        store, request, limits = self.store, self._request, self._limits
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        store.open()
        self._serve()
        self._thread(self._watch, progress)
        self.status.say("store", "looking at what is there")
        wrong = store.verify(lambda done, number: None)
        self.status.say("store", "")
        if wrong:
            self._say("%d recorded pieces are not on the disk as they were and are fetched again" % len(wrong))
        own = pieces.parse(request.pieces, store.number)
        own |= {index for index, entry in wrong.items() if entry.source == ORIGIN}
        work = Work(store.missing(), own)
        shared = Shared(store, work, self.status, Patience(limits, shown(request.file.url)), limits.connections)
        self._shared = shared
        self._start_peers(shared)
        seen = Seen()
        for _ in range(limits.connections if work.own() else 0):
            origin = Origin(request.file, seen, limits.answer)
            self._sockets.append(origin)
            self._downloads.append(self._thread(Download(shared, origin, self._say_once).run))
        self._thread(self._hash)
        self._wait(own)
        self._check_hash()
        store.seal()
        return store.sources()

    def _say_once(self, text: str) -> None:
        self.note = text
        self._say(text)

    def _thread(self, action: "Callable[..., None]", *arguments: Any) -> threading.Thread:
        def act() -> None:
            try:
                action(*arguments)
            except BaseException as error:
                if self._failure is None:
                    self._failure = error

        thread = threading.Thread(target=act, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _serve(self) -> None:
        """Peers may ask from the start on: that there is nothing yet is an answer too."""
        request, end = self._request, time.monotonic() + BIND_SECONDS
        while request.port and self._server is None:
            try:
                self._server = Server(request.port, request.file.sha256, request.secret, self)
            except OSError as error:
                if time.monotonic() > end:
                    text = "port %d cannot be served on: %s; next: ss -ltnp 'sport = :%d'"
                    raise FetchError(text % (request.port, error.strerror, request.port)) from error
                time.sleep(0.5)
        if self._server is not None:
            self._server.start()

    def _start_peers(self, shared: Shared) -> None:
        own = self._server.id if self._server is not None else ""
        for place in self._request.peers:
            client = Client(place, self._request.file.sha256, self._request.secret, own, self._limits.answer)
            peer = Peer(shared, place, client)
            self._peers.append(peer)
            self._sockets.append(client)
            self._thread(peer.run, self._finished)

    def _watch(self, progress: "Optional[Callable[[Dict[str, Any]], None]]") -> None:
        """Say how far it is, once a second, and sync now and then."""
        synced = time.monotonic()
        while not self._finished.is_set() and self._hashed == "" and self._failure is None:
            value = dict(self.status.value(), note=self.note)
            status.replace(os.path.join(self._folder, "status.json"), value)
            if progress is not None:
                progress(value)
            if time.monotonic() - synced > SYNC_SECONDS:
                self.store.sync()
                synced = time.monotonic()
            self._finished.wait(STATUS_SECONDS)

    def _hash(self) -> None:
        """Follow the pieces from the first on; what was just written is still in memory."""
        digest, store = hashlib.sha256(), self.store
        for index in range(store.number):
            with store.changed:
                while index not in store.have:
                    store.changed.wait(1)
                    if self._failure is not None:
                        return
            digest.update(store.read(index))
        self._hashed = digest.hexdigest()

    def end_soon(self) -> bool:
        """Let each connection end the piece that it is at, which would have to come again, and leave `run`.

        False when nothing is being fetched yet. May be called by a signal's handler.
        """
        self._ending = True
        return self._shared is not None

    def _end(self) -> None:
        end = time.monotonic() + LAST_PIECE_SECONDS
        if self._shared is not None:
            self._shared.last.set()
        for thread in self._downloads:
            thread.join(max(0.0, end - time.monotonic()))
        raise SystemExit(0)

    def _wait(self, own: "Set[int]") -> None:
        """Until all is there and hashed. Raises what a thread raised, and FetchError when peers are in vain."""
        store = self.store
        while not self._hashed:
            if self._failure is not None:
                raise self._failure
            if self._ending:
                self._end()
            if not store.complete():
                waiting.check(store, self._peers, own, self._limits, self.status)
            with store.changed:
                store.changed.wait(TICK_SECONDS)

    def _check_hash(self) -> None:
        wanted = self._request.file.sha256
        if self._hashed == wanted:
            return
        sources = self.store.sources()
        self.store.throw_away()
        came = ", ".join("%d bytes of %s" % (number, name) for name, number in sorted(sources.items()))
        text = "the file has sha256 %s, wanted %s; it came from %s (%s); everything was thrown away\n"
        text += "  next: is that sha256 the right one? the same command fetches the file anew"
        raise FetchError(text % (self._hashed, wanted, shown(self._request.file.url), came))

    # What the server asks for (serve.Shelf).

    def have(self) -> "Dict[str, Any]":
        """What is recorded, and whether that is all, or all that there will be."""
        failed = str(self._failure) if self._failure is not None else ""
        done = self.store.complete() and not failed
        known = pieces.text(index for index, _ in self.store.entries())
        return {"size": self.store.size, "pieces": known, "done": done, "failed": failed}

    def hashes(self, first: int, last: int) -> "Optional[List[str]]":
        """Of recorded pieces."""
        found = [self.store.have.get(index) for index in range(first, last + 1)]
        return [entry.sha256 for entry in found if entry is not None] if all(found) else None

    def read(self, index: int) -> bytes:
        """Of a recorded piece."""
        return self.store.read(index)

    def serve_on(self) -> None:
        """Give what is there until every peer has all of it, or nobody has asked for a while; then end."""
        server = self._server
        if server is not None:
            server.asked = time.monotonic()
            while time.monotonic() - server.asked < self._limits.idle:
                if self._peers and all(peer.done for peer in self._peers):
                    break
                time.sleep(TICK_SECONDS)
        self.close()

    def close(self) -> None:
        """End the threads and the server, and close the files."""
        self._finished.set()
        if self._shared is not None:
            self._shared.stop.set()
        for one in self._sockets:
            one.abort()
        end = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if self._server is not None:
            self._server.stop()
            self.store.unlock()
        elif not any(thread.is_alive() for thread in self._threads):
            # Nobody may write any more to what may soon be another file of this number.
            self.store.close()
