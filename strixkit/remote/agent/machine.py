"""How facts and evidence are read: from the machine itself, or from a captured tree of its files and commands."""

from __future__ import annotations

import glob
import grp
import json
import os
import pwd
import re
import stat
import subprocess
import sys
from typing import Dict, List, Optional, Tuple

from strixkit.remote.agent.atomic import read_text

COMMANDS = "commands.json"
SECONDS = 20
MOST_LINKS = 40  # as Linux


class Machine:
    """Files below `root`, and commands. With a root of its own it is a captured tree, and no command is run.

    The tree's commands.json has what they said: the first words of a command -> {"exit": 0, "stdout": text or lines}.
    The longest such beginning counts. What the machine itself asks the kernel or Python stands there as the command
    that prints the same: `uname -m`, `python3 --version`, `stat --format=%U %G %a PATH`, `df --output=avail -B1 PATH`.
    """

    def __init__(self, root: str = "") -> None:
        self.root = root.rstrip("/")
        self._captured: Dict[str, Dict[str, object]] = {}
        if self.root:
            self._captured = json.loads(read_text(os.path.join(self.root, COMMANDS), 1 << 24) or "{}")

    def read(self, path: str, limit: int = 65536) -> Optional[str]:
        """The text of a regular file without its last newline, at most `limit` bytes; None when it cannot be read."""
        # A pipe or a device in the place of a file would not end.
        return read_text(self.root + path, limit) if os.path.isfile(self.root + path) else None

    def number(self, path: str) -> Optional[int]:
        """The number in a file; None when there is no such file, or something else in it."""
        text = (self.read(path, 64) or "").strip()
        return int(text) if re.fullmatch("[0-9]{1,19}", text) else None

    def whole(self, path: str, limit: int = 65536) -> Optional[str]:
        """The text of a file as it is; None when it cannot be read, or is longer than `limit` bytes."""
        if not os.path.isfile(self.root + path):
            return None
        try:
            with open(self.root + path, "rb") as handle:
                data = handle.read(limit + 1)
        except OSError:
            return None
        return None if len(data) > limit else data.decode("utf-8", "replace")

    def names(self, folder: str) -> List[str]:
        """Sorted names in a folder; none when it cannot be read."""
        try:
            return sorted(os.listdir(self.root + folder))
        except OSError:
            return []

    def glob(self, pattern: str) -> List[str]:
        """Sorted paths that match, as on the machine itself."""
        return [path[len(self.root) :] for path in sorted(glob.glob(glob.escape(self.root) + pattern))]

    def exists(self, path: str) -> bool:
        """Whether there is something at the path."""
        return os.path.exists(self.root + path)

    def link(self, path: str) -> Optional[str]:
        """Where a symbolic link points; None when it is none, or cannot be read."""
        try:
            return os.readlink(self.root + path)
        except OSError:
            return None

    def real(self, path: str) -> Optional[str]:
        """The file that a path leads to over all symbolic links of its last part; None when there is none."""
        for _ in range(MOST_LINKS):
            target = self.link(path)
            if target is None:
                return path if self.exists(path) else None
            path = os.path.normpath(os.path.join(os.path.dirname(path), target))
        return None

    def run(
        self, *command: str, seconds: float = SECONDS, environment: Optional[Dict[str, str]] = None
    ) -> Optional[Tuple[int, str]]:
        """Exit status and stdout of a command that only looks; None when there is no such command, or no answer.

        environment: in the place of this process's own. It is not a part of the command line, which anybody may read.
        """
        if self.root:
            return self._recorded(*command)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                env=dict(os.environ if environment is None else environment, LC_ALL="C.UTF-8"),
                cwd="/",
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def architecture(self) -> str:
        """As `uname -m` prints it."""
        return self._said("uname", "-m") if self.root else os.uname().machine

    def python(self) -> str:
        """Version of the Python that runs this."""
        if self.root:
            return self._said("python3", "--version").partition(" ")[2]
        return ".".join(str(part) for part in sys.version_info[:3])

    def permissions(self, path: str) -> Optional[Tuple[str, str, str]]:
        """Owner, group and octal mode, e.g. ("root", "render", "660"); None when there is nothing at the path."""
        if self.root:
            words = self._said("stat", "--format=%U %G %a", path).split()
            return (words[0], words[1], words[2]) if len(words) == 3 else None
        try:
            found = os.stat(path)
        except OSError:
            return None
        return _user(found.st_uid), _group(found.st_gid), format(stat.S_IMODE(found.st_mode), "o")

    def free_bytes(self, path: str) -> Optional[int]:
        """Bytes that are free for files at the path; None when there is no such path."""
        if self.root:
            words = self._said("df", "--output=avail", "-B1", path).split()
            return int(words[-1]) if words else None
        try:
            found = os.statvfs(path)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    def _recorded(self, *command: str) -> Optional[Tuple[int, str]]:
        for length in range(len(command), 0, -1):
            found = self._captured.get(" ".join(command[:length]))
            if found is not None:
                said = found["stdout"]
                return int(str(found["exit"])), "\n".join([*said, ""]) if isinstance(said, list) else str(said)
        return None

    def _said(self, *command: str) -> str:
        found = self._recorded(*command)
        return found[1].strip() if found else ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
