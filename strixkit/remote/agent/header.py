"""Headers of GGUF files that a person asks for, as root or not; nothing is kept of them."""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, List

MAX_FILES = 256


def read(paths: List[str]) -> List[Dict[str, Any]]:
    """For each path its size and header, or `kind` and `error`."""
    if len(paths) > MAX_FILES:
        raise RuntimeError("%d files at once, at most %d are read" % (len(paths), MAX_FILES))
    return [_read(path) for path in paths]


def _read(path: str) -> Dict[str, Any]:
    from strixkit.planner import gguf

    try:
        info = os.stat(path)
        # To open a device may do something, and a pipe never ends.
        if not stat.S_ISREG(info.st_mode):
            return {"kind": "other", "error": "it is no regular file"}
        with open(path, "rb") as handle:
            header = gguf.read_header(handle, info.st_size)
    except FileNotFoundError:
        return {"kind": "missing", "error": ""}
    except PermissionError as error:
        return {"kind": "denied", "error": str(error)}
    except gguf.GgufError as error:
        return {"kind": error.kind, "error": str(error)}
    except (OSError, ValueError) as error:
        return {"kind": "other", "error": str(error)}
    return {"size": info.st_size, "header": gguf.to_json(header)}
