"""How facts and evidence are read: from the machine itself, or from a captured tree of its files and commands."""

from __future__ import annotations

import glob
import json
import os
import subprocess
from typing import Dict, List, Optional, Tuple

from strixkit.remote.agent.atomic import read_text

COMMANDS = "commands.json"  # of a captured tree: "the words of a command" -> {"exit": 0, "stdout": "..."}
SECONDS = 20


class Machine:
    """Files below `root`, and commands. With a root of its own it is a captured tree, and no command is run."""

    def __init__(self, root: str = "") -> None:
        self.root = root.rstrip("/")
        self._captured: Dict[str, Dict[str, object]] = {}
        if self.root:
            self._captured = json.loads(read_text(os.path.join(self.root, COMMANDS), 1 << 24) or "{}")

    def read(self, path: str, limit: int = 65536) -> Optional[str]:
        """The text of a file without its last newline, at most `limit` bytes; None when it cannot be read."""
        return read_text(self.root + path, limit)

    def names(self, folder: str) -> List[str]:
        """Sorted names in a folder; none when it cannot be read."""
        try:
            return sorted(os.listdir(self.root + folder))
        except OSError:
            return []

    def glob(self, pattern: str) -> List[str]:
        """Sorted paths that match, as on the machine itself."""
        return [path[len(self.root) :] for path in sorted(glob.glob(self.root + pattern))]

    def exists(self, path: str) -> bool:
        """Whether there is something at the path."""
        return os.path.exists(self.root + path)

    def run(self, *command: str, seconds: float = SECONDS) -> Optional[Tuple[int, str]]:
        """Exit status and stdout of a command that only looks; None when there is no such command, or no answer."""
        if self.root:
            found = self._captured.get(" ".join(command))
            return None if found is None else (int(str(found["exit"])), str(found["stdout"]))
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                env=dict(os.environ, LC_ALL="C.UTF-8"),
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.returncode, done.stdout.decode("utf-8", "replace")
