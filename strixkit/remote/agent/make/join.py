"""Text files joined in their order, as they are."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any, Dict, List

from strixkit.remote.agent.make import work
from strixkit.remote.agent.make.work import Work


def joined(here: Work, inputs: "List[Dict[str, Any]]") -> "Dict[str, Any]":
    """Write the file; returns how, as a tool's run is recorded. Raises OSError."""
    begin, now = time.monotonic(), work.now()
    with open(here.result, "wb") as out:
        for item in inputs:
            with open(str(item["path"]), "rb") as part:
                shutil.copyfileobj(part, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    os.chmod(here.result, 0o644)
    argv = ["cat", *(str(item["path"]) for item in inputs)]
    return {"argv": argv, "seconds": round(time.monotonic() - begin, 1), "began": now}
