"""Files as they were before strixkit changed the first thing: copied once, never overwritten."""

from __future__ import annotations

import os
import stat

from strixkit.remote.agent import atomic, paths

BACKUP = paths.STATE + "/backup"


def keep(*sources: str, but: str = "") -> None:
    """Copy those files that are there and were not copied yet, below BACKUP at their own path. `but`: one of ours."""
    os.makedirs(BACKUP, mode=0o700, exist_ok=True)
    for source in sources:
        target = BACKUP + source
        if source == but or os.path.exists(target) or not os.path.isfile(source):
            continue
        with open(source, "rb") as handle:
            data = handle.read()
            mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        atomic.write(target, data, mode)
