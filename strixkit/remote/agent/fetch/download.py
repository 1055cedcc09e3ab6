"""What one connection to the origin does: a run of pieces after the other, each byte once however often it is cut."""

from __future__ import annotations

import threading
from typing import Callable

from strixkit.remote.agent.fetch import pieces
from strixkit.remote.agent.fetch.errors import AgainError
from strixkit.remote.agent.fetch.origin import BROKEN, Body, Origin
from strixkit.remote.agent.fetch.patience import Patience
from strixkit.remote.agent.fetch.pieces import ORIGIN, PIECE
from strixkit.remote.agent.fetch.status import Status
from strixkit.remote.agent.fetch.store import Store
from strixkit.remote.agent.fetch.work import Run, Work

IDLE_SECONDS = 0.2
NO_RANGES = "the server gives no ranges: one connection reads from the beginning"


class Shared:
    """What the connections have in common.

    stop: at once. last: no piece is begun any more. sequential: held by the one that reads a server without ranges.
    """

    def __init__(self, store: Store, work: Work, status: Status, patience: Patience, workers: int) -> None:
        self.store = store
        self.work = work
        self.status = status
        self.patience = patience
        self.workers = workers
        self.stop = threading.Event()
        self.last = threading.Event()
        self.sequential = threading.Lock()


class Download:
    """One connection. say: hears what a person should know once."""

    def __init__(self, shared: Shared, origin: Origin, say: "Callable[[str], None]") -> None:
        self._shared = shared
        self._origin = origin
        self._say = say
        self._name = "origin %d" % id(self)
        self._tries = 0
        self._buffer = memoryview(bytearray(PIECE))

    def run(self) -> None:
        """Work until nothing is left that is this box's to fetch. Raises FetchError."""
        shared = self._shared
        try:
            while not shared.stop.is_set() and not shared.last.is_set() and shared.work.own():
                run = shared.work.take_own(shared.workers)
                if run is None:
                    shared.stop.wait(IDLE_SECONDS)  # another connection may have to give something back
                elif not self._fetch(run):
                    return
        finally:
            self._origin.close()
            shared.status.say(self._name, "")

    def _fetch(self, run: Run) -> bool:
        """Fetch a run; False when the server gives no ranges, and another connection reads it all."""
        store, work = self._shared.store, self._shared.work
        index, have = run[0], 0  # of the piece in the buffer so many bytes are there
        end = run[1] * PIECE + pieces.length(run[1], store.size) - 1
        try:
            while index <= run[1] and not self._shared.stop.is_set():
                try:
                    body = self._open(index * PIECE + have, end)
                    if body.whole:
                        return self._read_all(body)
                    position = body.first
                    while position <= body.last:
                        wanted = min(pieces.length(index, store.size) - have, body.last + 1 - position)
                        number = self._read(body, have, wanted)
                        self._new(number)
                        position, have = position + number, have + number
                        if have == pieces.length(index, store.size):
                            store.put(index, self._buffer[:have], ORIGIN)
                            work.done(index)
                            index, have = index + 1, 0
                            if self._shared.last.is_set():
                                return True
                        if self._shared.stop.is_set():
                            return True
                except AgainError as again:
                    self._wait(again)
            return True
        finally:
            work.give_back(set(range(index, run[1] + 1)) - set(store.have))

    def _read_all(self, body: Body) -> bool:
        """Read a server without ranges from its beginning, as often as it takes; what is there is not written again."""
        shared = self._shared
        if not shared.sequential.acquire(blocking=False):
            self._origin.close()
            return False
        self._say(NO_RANGES)
        store, work, furthest = shared.store, shared.work, 0
        work.take_all_own()
        while not shared.stop.is_set():
            try:
                index, position = 0, 0
                while index < store.number and work.own() and not shared.stop.is_set():
                    length, have = pieces.length(index, store.size), 0
                    while have < length:
                        number = self._read(body, have, length - have)
                        have, position = have + number, position + number
                        if position > furthest:
                            self._new(number)
                            furthest = position
                    if index in work.own():
                        store.put(index, self._buffer[:length], ORIGIN)
                        work.done(index)
                    index += 1
                return True
            except AgainError as again:
                self._wait(again)
                body = self._open_again(body)
        return True

    def _open_again(self, body: Body) -> Body:
        while not self._shared.stop.is_set():
            try:
                return self._open(0, self._shared.store.size - 1)
            except AgainError as error:
                self._wait(error)
        return body

    def _open(self, first: int, last: int) -> Body:
        self._shared.stop.wait(self._shared.patience.rest())
        body = self._origin.open(first, last)
        self._shared.status.say(self._name, "")
        return body

    def _read(self, body: Body, have: int, wanted: int) -> int:
        """Some bytes more into the buffer. Raises AgainError when there are none."""
        try:
            number = body.response.readinto(self._buffer[have : have + wanted])
        except BROKEN as error:
            raise AgainError(str(error) or type(error).__name__) from error
        if number == 0:
            raise AgainError("the connection ended before all bytes had come")
        return number

    def _new(self, number: int) -> None:
        self._tries = 0
        self._shared.patience.new_bytes()
        self._shared.status.arrived(ORIGIN, number)

    def _wait(self, again: AgainError) -> None:
        """Raises FetchError when it was enough."""
        self._origin.close()
        seconds, words = self._shared.patience.failed(again, self._tries)
        self._tries += 1
        self._shared.status.say(self._name, words)
        self._shared.stop.wait(seconds)
