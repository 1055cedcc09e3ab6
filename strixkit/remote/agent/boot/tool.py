"""Running the distribution's own tools."""

from __future__ import annotations

import os
import subprocess


def run(*command: str) -> None:
    """Run a tool. Raises RuntimeError with the end of what it said when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, LC_ALL="C.UTF-8"),
    )
    if done.returncode != 0:
        tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise RuntimeError("%s failed (exit %d):\n%s" % (" ".join(command), done.returncode, "\n".join(tail)))
