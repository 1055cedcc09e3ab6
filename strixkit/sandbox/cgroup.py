"""A control group for each box.

systemd-nspawn puts a box below the group that it is started in. Two boxes of one group would share all names in it, so
that a service of one waits for the processes of the other to end.
"""

from __future__ import annotations

import time
from pathlib import Path

from strixkit.errors import StrixError

END_SECONDS = 10
# A shell line that enters the group $1, and becomes the rest.
ENTER = ("sh", "-c", 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"', "sh")


def make(name: str) -> Path:
    """Make the group of a box, below this process's own; one that is there stays. Raises StrixError."""
    own = Path("/proc/self/cgroup").read_text().splitlines()
    path = next((line.removeprefix("0::") for line in own if line.startswith("0::")), None)
    mount = next(iter(_mounts()), None)
    if path is None or mount is None:
        raise StrixError("this machine has no unified control groups (cgroup2), and a box needs one")
    folder = mount / path.lstrip("/") / f"strixkit-{name}"
    folder.mkdir(exist_ok=True)
    return folder


def remove(folder: Path) -> None:
    """Remove a group with all below it, in every hierarchy that has it, when its last process has ended.

    Raises StrixError when one does not end.
    """
    mount = next(mount for mount in _mounts() if folder.is_relative_to(mount))
    for root in _mounts():
        top = root / folder.relative_to(mount)
        groups = [*sorted(top.rglob("*/"), key=lambda path: len(path.parts), reverse=True), top]
        for group in filter(Path.is_dir, groups):
            _remove_empty(group)


def _remove_empty(group: Path) -> None:
    end = time.monotonic() + END_SECONDS
    while True:
        try:
            group.rmdir()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise StrixError(f"processes in {group} do not end: {error.strerror}") from error
            time.sleep(0.02)


def _mounts() -> list[Path]:
    """Where control groups are: the unified hierarchy first, then systemd's own of a hybrid machine."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    unified = [Path(words[1]) for words in lines if words[2] == "cgroup2"]
    return unified + [Path(words[1]) for words in lines if words[2] == "cgroup" and "name=systemd" in words[3]]
