"""A ProxyCommand: a program whose stdin and stdout are the connection, started as ssh starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path

END_SECONDS = 2


class ProxyCommand(socket.socket):
    """The end of a socket pair, of which the program has the other. (Paramiko's own spins when the program ends.)"""

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        descriptor, name = tempfile.mkstemp()
        self._stderr = Path(name)  # a pipe that nobody reads would stop the program one day
        with theirs, open(descriptor, "wb") as stderr:
            self._process = subprocess.Popen(
                [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=stderr,
            )

    def close(self) -> None:
        """End the program; may be called again."""
        super().close()
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.unlink(missing_ok=True)

    def said(self) -> str:
        """The last line that the program wrote to stderr; ask before it is closed."""
        lines = self._stderr.read_text(errors="replace").splitlines() if self._stderr.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
