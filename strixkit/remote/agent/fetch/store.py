"""What is there of a file: its data, which has its full size from the start, and the record of its pieces."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Dict, List, Optional, Set, Tuple, Union

from strixkit.remote.agent.fetch import pieces
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.pieces import Entry

DATA, RECORD = "data", "pieces"
UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
MOST_READERS = 4
Bytes = Union[bytes, bytearray, memoryview]


class Store:
    """Pieces that were written are recorded, and recorded ones are never written again. For several threads.

    changed: notified when a piece was recorded. last: when that was, by time.monotonic.
    """

    def __init__(self, folder: str, size: int) -> None:
        self.size = size
        self.number = pieces.count(size)
        self.have: "Dict[int, Entry]" = {}
        self.changed = threading.Condition()
        self.last = time.monotonic()
        self.path = os.path.join(folder, DATA)
        self._folder = folder
        self._data = self._record = -1

    def open(self) -> None:
        """Make the data as large as it will be. Raises FetchError: no room on the disk, or another process is at it."""
        self._data = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._data, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FetchError("another process fetches it into %s; next: wait for it" % self._folder) from error
        info = os.fstat(self._data)
        needed = self.size - min(info.st_blocks * 512, self.size)
        if needed > free_bytes(self._folder):
            raise no_room(self._folder, needed)
        if info.st_size != self.size:
            os.ftruncate(self._data, self.size)
        try:
            os.posix_fallocate(self._data, 0, self.size)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise no_room(self._folder, needed) from error
            if error.errno not in UNSUPPORTED:
                raise

    def verify(self, say: "Callable[[int, int], None]") -> "Dict[int, Entry]":
        """Take what the record says as far as the data has it; returns the entries that are wrong and were forgotten.

        say: hears how many of how many are read.
        """
        path = os.path.join(self._folder, RECORD)
        known = {index: entry for index, entry in pieces.load(path).items() if index < self.number}
        wrong: "Dict[int, Entry]" = {}
        with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as readers:
            found = readers.map(lambda index: hashlib.sha256(self.read(index)).hexdigest(), known)
            for number, ((index, entry), sha256) in enumerate(zip(known.items(), found)):
                if sha256 == entry.sha256:
                    with self.changed:
                        self.have[index] = entry
                        self.changed.notify_all()
                else:
                    wrong[index] = entry
                say(number + 1, len(known))
        pieces.rewrite(path, self.have)
        self._record = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return wrong

    def put(self, index: int, data: Bytes, source: str, sha256: str = "") -> bool:
        """Write a piece and record it; False when it was there already. Raises FetchError: the disk is full.

        sha256: of the data, where it is known.
        """
        if index in self.have:
            return False
        entry = Entry(sha256 or hashlib.sha256(data).hexdigest(), source)
        try:
            self._write(data, index * pieces.PIECE)
            with self.changed:
                if index in self.have:
                    return False
                os.write(self._record, pieces.line(index, entry))
                self.have[index] = entry
                self.last = time.monotonic()
                self.changed.notify_all()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise no_room(self._folder, pieces.total(self.missing(), self.size)) from error
            raise FetchError("%s: %s" % (self.path, error.strerror)) from error
        return True

    def _write(self, data: Bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._data, view, offset)
            view, offset = view[written:], offset + written

    def read(self, index: int) -> bytes:
        """The bytes of a piece as they are on the disk."""
        return os.pread(self._data, pieces.length(index, self.size), index * pieces.PIECE)

    def missing(self) -> "Set[int]":
        """The pieces that are not recorded."""
        with self.changed:
            return set(range(self.number)) - set(self.have)

    def entries(self) -> "List[Tuple[int, Entry]]":
        """The recorded pieces, in order."""
        with self.changed:
            return sorted(self.have.items())

    def complete(self) -> bool:
        """Whether every piece is there."""
        return len(self.have) == self.number

    def sources(self) -> "Dict[str, int]":
        """Bytes of the recorded pieces by their source."""
        found: "Dict[str, int]" = {}
        for index, entry in self.entries():
            found[entry.source] = found.get(entry.source, 0) + pieces.length(index, self.size)
        return found

    def sync(self) -> None:
        """Bring to the disk what is recorded, so that a power cut loses little."""
        with contextlib.suppress(OSError):
            os.fdatasync(self._data)
            os.fdatasync(self._record)

    def seal(self) -> None:
        """The file is complete: onto the disk, and from now on it is only read."""
        os.fsync(self._data)
        only_read = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        writable, self._data = self._data, only_read
        os.close(writable)

    def throw_away(self) -> None:
        """Remove data and record."""
        with self.changed:
            self.have = {}
        for name in (DATA, RECORD):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name))

    def unlock(self) -> None:
        """Another process may have the folder; what others read of this one stays open."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._data, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close what is open."""
        for fd in (self._data, self._record):
            if fd >= 0:
                os.close(fd)
        self._data = self._record = -1


def free_bytes(folder: str) -> int:
    """Bytes that are free for files in a folder, or in the nearest one above it that exists."""
    while not os.path.isdir(folder) and folder not in ("", "/"):
        folder = os.path.dirname(folder)
    found = os.statvfs(folder or ".")
    return found.f_bavail * found.f_frsize


def no_room(folder: str, needed: int, free: "Optional[int]" = None) -> FetchError:
    """The error for a disk that is full; needed: bytes that are missing."""
    text = "no space left for %s: %d MiB are free, %d MiB are needed; what is there stays; next: make room there, then "
    text += "the same command goes on"
    found = free_bytes(folder) if free is None else free
    return FetchError(text % (folder, found >> 20, -(-needed // (1 << 20))))
