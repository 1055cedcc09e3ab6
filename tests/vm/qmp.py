"""QEMU's machine protocol: one JSON object a line over a unix socket."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any


class QmpError(Exception):
    """QEMU refused a command, or is not there."""


class Qmp:
    """A connection to one QEMU process."""

    def __init__(self, path: Path, *, seconds: float = 30) -> None:
        self._socket = _connect(path, seconds)
        self._socket.settimeout(300)
        self._lines = self._socket.makefile("rb")
        self._read()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its answer; events are passed over. Raises QmpError."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._read()
            if "error" in message:
                raise QmpError(f"{command}: {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]

    def human(self, line: str) -> str:
        """Run a line of QEMU's monitor; returns what it says: mostly nothing when it went well."""
        return str(self.execute("human-monitor-command", **{"command-line": line})).strip()

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise QmpError("QEMU ended")
        message: dict[str, Any] = json.loads(line)
        return message


def _connect(path: Path, seconds: float) -> socket.socket:
    end = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if time.monotonic() > end:
                raise QmpError(f"{path}: {error}") from error
            time.sleep(0.05)
        else:
            return connection
