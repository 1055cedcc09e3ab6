"""What a server can be told to do wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate

FOREVER = -1


@dataclass
class Fault:
    """One fault, for the requests that it fits; the first of a list that fits is the one that happens.

    Which requests. file: part of `OWNER/NAME/path`. on: `bytes` (a GET that gives a file's bytes), `resolve` (the hub's
    answer about a large file, mostly a redirect), `api`. peer: the client's address. covers: only a request whose
    range has this offset of the file. skip: so many that fit are let through first. times: how often; FOREVER.

    What happens. cut, cut_at: the connection is closed after exactly so many bytes of the body, or just before this
    offset of the file. stall, stall_at: nothing is sent for so many seconds, before this offset of the file. status,
    retry_after: this answer, and its header. no_range: 200 and the whole file. whole_only: no Accept-Ranges either.
    content: other bytes, with their own ETag. wrong_at: the byte at this offset of the file is another one. length:
    Content-Length says so many more (or less) than are sent. total: Content-Range says this size of the file.
    shift: Content-Range says that the bytes begin so much later. location: where a redirect leads instead. expired: the
    redirect's signature is no longer good. headers: others, or none for the value None.
    """

    file: str = ""
    on: str = "bytes"
    peer: str = ""
    covers: int | None = None
    skip: int = 0
    times: int = 1

    cut: int | None = None
    cut_at: int | None = None
    stall: float = 0
    stall_at: int = 0
    status: int = 0
    retry_after: str = ""
    no_range: bool = False
    whole_only: bool = False
    content: bytes | None = None
    wrong_at: int | None = None
    length: int = 0
    total: int | None = None
    shift: int = 0
    location: str = ""
    expired: bool = False
    headers: dict[str, str | None] = field(default_factory=dict)
    happened: int = 0

    def fits(self, file: str, on: str, peer: str, first: int, stop: int) -> bool:
        """Whether this request is one of those."""
        return (
            self.file in file
            and self.on == on
            and self.peer in ("", peer)
            and (self.covers is None or first <= self.covers < stop)
            and (self.cut_at is None or first <= self.cut_at < stop)
        )


class Faults(list[Fault]):
    """Those that are still to happen, in order of preference; safe to change while the server runs."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def take(self, file: str, on: str, peer: str, first: int = 0, stop: int = 0) -> Fault:
        """The fault of this request, counted as happened; one without any effect where there is none."""
        with self._lock:
            for fault in self:
                if fault.times == 0 or not fault.fits(file, on, peer, first, stop):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= fault.times > 0
                fault.happened += 1
                return fault
        return Fault()


def date_in(seconds: float) -> str:
    """The date of then, as Retry-After may have it."""
    return formatdate(time.time() + seconds, usegmt=True)
