"""A conversation with the agent on one box, over one channel of one connection."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strixkit.errors import RemoteError, StrixError
from strixkit.remote import start, sudo
from strixkit.remote.bundle import bundle
from strixkit.secret import Secret

if TYPE_CHECKING:
    from paramiko import Channel

    from strixkit.remote.target import Target
    from strixkit.resources.base import Upload

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
# Starts the agent, which then reads its program; returns its channel, and what closes the connection.
Dial = Callable[[], "tuple[Channel, Callable[[], None]]"]
CHUNK = 4 << 20  # bytes
MAX_ANSWER = 64 << 20  # bytes of one line; more is not an answer but an attack or a bug
LAST_WORDS = 1 << 16  # bytes; what a login shell prints before it ends is shorter
# The agent says `alive` every 10 s (agent/main.py): a box that is silent for this long has lost power or network.
SILENCE_SECONDS = 60

# Reads the agent from stdin into memory and runs it; nothing is written to the box for looking.
BOOTSTRAP = (
    "import sys,os;"
    'sys.version_info<(3,9) and sys.exit("python3 is %%d.%%d" %% sys.version_info[:2]);'
    'fd=os.memfd_create("strixkit");'
    "%sos.write(fd,sys.stdin.buffer.read(%d));"
    'sys.path.insert(0,"/proc/self/fd/%%d" %% fd);'
    "from strixkit.remote.agent.main import main;"
    "sys.exit(main())"
)
SAY_STARTED = f"sys.stdout.write({sudo.STARTED.decode()!r});sys.stdout.flush();"


class Session:
    """Requests and answers. Use `open_session`."""

    def __init__(self, host: str, dial: Dial) -> None:
        self.host = host
        self.round_trips = 0
        self._dial = dial
        self.reopen()

    def reopen(self) -> None:
        """Connect as the first time; what came of the connection before is forgotten. Raises ConnectError."""
        self._buffer = b""
        self._started = False
        self._channel, self._close = self._dial()
        try:
            self._send(bundle())
        except BaseException:
            self.close()
            raise

    def request(self, do: str, on_event: OnEvent | None = None, **fields: Any) -> Any:
        """Ask the agent for one thing; events on the way go to `on_event`. Raises RemoteError, ConnectError."""
        self.round_trips += 1
        self._send(json.dumps({"do": do, **fields}).encode() + b"\n")
        return self._answer(do, on_event)

    def upload(self, path: Path, upload: Upload, on_bytes: Callable[[int], None]) -> None:
        """Send a file's bytes from the upload's offset on; `on_bytes` hears how many have arrived.

        Piece by piece, one on the way while the one before is written. Raises RemoteError (disk full), ConnectError.
        """
        on_the_way: list[int] = []
        offset, name = upload.offset, {"sha256": upload.sha256, "target": upload.target}
        with path.open("rb") as handle:
            handle.seek(offset)
            while chunk := handle.read(CHUNK):
                head = {"do": "receive", **name, "offset": offset, "size": len(chunk)}
                self._send(json.dumps(head).encode() + b"\n" + chunk)
                offset += len(chunk)
                on_the_way.append(offset)
                if len(on_the_way) > 1:
                    self._answer("receive", None)
                    on_bytes(on_the_way.pop(0))
        for arrived in on_the_way:
            self._answer("receive", None)
            on_bytes(arrived)
        self.round_trips += 1

    def close(self) -> None:
        """End the conversation and the connection."""
        self._close()

    def _send(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except OSError as error:
            if self._started:
                raise start.lost(self.host, str(error)) from error
            # A box where nothing starts closes the channel while the agent is still being sent.
            self._read_last_words()
            raise self._ended() from error

    def _answer(self, do: str, on_event: OnEvent | None) -> Any:
        while True:
            message = self.read()
            if message.get("event") == "alive":
                self._send(b"\n")  # so are we: the agent of a dead session holds no lock
                continue
            if message.get("event") != "answer":
                if on_event is not None:
                    on_event(message)
            elif message.get("ok"):
                return message.get("value")
            else:
                raise RemoteError(f"the agent could not {do}: {message.get('error')}", host=self.host)

    def read(self) -> Event:
        """Read one message. The box is not trusted: it must be one JSON object of bounded length."""
        while b"\n" not in self._buffer:
            try:
                data = self._channel.recv(1 << 16)
            except TimeoutError as error:
                raise start.lost(self.host, f"nothing was heard of the box for {SILENCE_SECONDS} s") from error
            except OSError as error:
                raise start.lost(self.host, str(error) or type(error).__name__) from error
            if not data:
                raise self._ended()
            self._buffer += data
            if len(self._buffer) > MAX_ANSWER:
                raise RemoteError(f"an answer of more than {MAX_ANSWER >> 20} MiB; refused", host=self.host)
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            if not self._started:
                raise start.noise(self.host, line + b"\n" + self._buffer)
            raise RemoteError(f"not an answer of the agent: {line[:200]!r}", host=self.host)
        self._started = True
        return message

    def _read_last_words(self) -> None:
        with contextlib.suppress(OSError):
            while len(self._buffer) < LAST_WORDS and (data := self._channel.recv(LAST_WORDS)):
                self._buffer += data

    def _ended(self) -> StrixError:
        """Why there is no more to read: the agent never started, or the connection is gone."""
        if self._started:
            return start.lost(self.host, "the connection ended")
        return start.noise(self.host, self._buffer) if self._buffer.strip() else start.ended(self.host, self._channel)


def open_session(target: Target, *, become: bool | None = None, password: Secret | None = None) -> Session:
    """Connect and start the agent as root. `become` None: by sudo unless the ssh user is root already."""
    return Session(target.name, lambda: _dial(target, become, password))


def _dial(target: Target, become: bool | None, password: Secret | None) -> tuple[Channel, Callable[[], None]]:
    from strixkit.remote.connection import close, connect, execute

    connection = connect(target)
    try:
        by_sudo = connection.user != "root" if become is None else become
        asks = by_sudo and password is not None
        code = BOOTSTRAP % (SAY_STARTED if asks else "", len(bundle()))
        command = sudo.command(["python3", "-I", "-S", "-c", code], become=by_sudo, password=asks)
        channel = execute(connection, command, target.name)
        channel.settimeout(SILENCE_SECONDS)
        if asks and password is not None:
            sudo.answer_prompt(channel, password, target.name)
    except BaseException:
        close(connection)
        raise
    return channel, lambda: close(connection)
