"""Running the distribution's own tools."""

from __future__ import annotations

import subprocess


def run(*command: str) -> None:
    """Run a tool, in the machine's own language. Raises RuntimeError with the end of what it said when it fails.

    Titles in grub.cfg are in that language, and GRUB_DEFAULT may name an entry by its title.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise RuntimeError("%s failed (exit %d):\n%s" % (" ".join(command), done.returncode, "\n".join(tail)))
