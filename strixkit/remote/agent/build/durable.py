"""What of a build folder can be trusted after the power was cut.

A file that was written shortly before may be there with its name, size or time and without its content: an empty object
file that is newer than its source is taken by make and ninja for what it should be. So the build's file system is
synced once a minute while something compiles, the moment is remembered, and after another boot every file that changed
after the last such moment is removed; it is made again. ctime counts, since no program can set it. Ninja's own logs are
kept: it skips what is broken in them, and without them it would make everything again
(https://ninja-build.org/manual.html, "The Ninja log").
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import time

from strixkit.remote.agent.atomic import read_text
from strixkit.remote.agent.build.work import Work, read_state, remember

SECONDS = 60.0  # between two syncs
SLACK_SECONDS = 1.0  # the kernel's clock for files ticks more slowly than time()
KEPT = (".ninja_log", ".ninja_deps")


def boot_id() -> str:
    """Which boot this is."""
    return read_text("/proc/sys/kernel/random/boot_id") or ""


def sync(work: Work) -> None:
    """Write the build's file system to the disk and remember until when it is there. Raises OSError on a full disk."""
    since = time.time() - SLACK_SECONDS
    subprocess.run(["sync", "--file-system", work.folder], stdin=subprocess.DEVNULL, capture_output=True)
    remember(work, boot=boot_id(), synced=since)


class Syncing:
    """Called often; syncs once a minute."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Sync if it is time."""
        if time.monotonic() - self._last < SECONDS:
            return
        with contextlib.suppress(OSError):  # a full disk: the compiler finds it too, and says it better
            sync(self._work)
        self._last = time.monotonic()


def distrust(work: Work) -> int:
    """Remove what an earlier boot may have left unwritten in the build folder; returns how many files."""
    state, boot = read_state(work), boot_id()
    if state.get("boot") == boot:
        return 0
    count = remove_newer(work.build, float(state.get("synced", 0)))
    remember(work, boot=boot)
    return count


def remove_newer(folder: str, since: float) -> int:
    """Remove all files below `folder` that changed after `since` (seconds since 1970), except Ninja's logs."""
    count = 0
    for _, _, names, fd in os.fwalk(folder, follow_symlinks=False):
        for name in names:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if name not in KEPT and not stat.S_ISDIR(info.st_mode) and info.st_ctime >= since:
                os.unlink(name, dir_fd=fd)
                count += 1
    return count
