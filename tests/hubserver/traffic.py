"""What a server has been asked and has sent, and how fast it may send."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass
class Request:
    """One request. file: `OWNER/NAME/path` of the file it was about; sent: bytes of the file, from offset `first` on,
    that the connection took (a client that dies may not have read the last of them). begun, sent_at: when it came and
    when its last byte was sent, on the monotonic clock, in seconds."""

    peer: str
    method: str
    server: str  # `hub` or `cdn`
    path: str
    headers: dict[str, str]
    file: str = ""
    status: int = 0
    first: int = 0
    sent: int = 0
    begun: float = field(default_factory=time.monotonic)
    sent_at: float = 0

    @property
    def range(self) -> str:
        """The range asked for."""
        return self.headers.get("range", "")

    @property
    def authorization(self) -> str:
        """What the client sent to prove who it is."""
        return self.headers.get("authorization", "")


@dataclass
class Log:
    """All requests, oldest first."""

    requests: list[Request] = field(default_factory=list)

    def bytes_sent(self, file: str = "", peer: str = "") -> int:
        """Bytes of a file (or all) sent to a client's address (or all)."""
        return sum(one.sent for one in self._of(file, peer))

    def sent_twice(self, file: str, peer: str = "") -> int:
        """Bytes of a file that were sent once more than once was enough for, counted each time."""
        covered = end = 0
        for first, stop in sorted((one.first, one.first + one.sent) for one in self._of(file, peer) if one.sent):
            covered += max(0, stop - max(first, end))
            end = max(end, stop)
        return self.bytes_sent(file, peer) - covered

    def _of(self, file: str, peer: str) -> list[Request]:
        return [one for one in list(self.requests) if file in ("", one.file) and peer in ("", one.peer)]


class Rate:
    """A token bucket for all connections together; a rate of 0 bytes/s is no limit."""

    def __init__(self, bytes_per_second: float) -> None:
        self.bytes_per_second = bytes_per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    @property
    def block(self) -> int:
        """Bytes to send at once: a hundredth of a second's, so that connections share evenly."""
        return min(1 << 17, max(1024, int(self.bytes_per_second / 100))) if self.bytes_per_second else 1 << 17

    def wait(self, count: int) -> None:
        """Sleep until so many bytes may be sent; what was not used for longer than 50 ms is lost."""
        if not self.bytes_per_second:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() - 0.05) + count / self.bytes_per_second
            pause = self._free_at - time.monotonic()
        if pause > 0:
            time.sleep(pause)
