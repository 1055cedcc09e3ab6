"""A model without its weights: the header of the real file, and a hole in place of the rest.

Stands alone (standard library, Python 3.9): the agent on the box imports this same file.
"""

from __future__ import annotations

import os

from strixkit.planner import gguf
from strixkit.rehearsal.errors import RehearsalError

COPIED_AT_ONCE = 1 << 20


def hollow_copy(model: str, target: str) -> str:
    """Write the header of `model` to `target`, truncated to the model's size, and return `target`.

    It takes as much room on the disk as the header: some MiB. Raises RehearsalError.
    """
    try:
        with open(model, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            header = gguf.read_header(source, size)
            gguf.check_size(header, size)
            if header.metadata.get("split.count", 0) not in (0, 1):
                raise RehearsalError(f"{model} is one of several files; only a model in one file can be rehearsed")
            source.seek(0)
            with open(target, "xb") as handle:
                left = header.data_offset
                while left:
                    piece = source.read(min(left, COPIED_AT_ONCE))
                    if not piece:
                        raise RehearsalError(f"{model} became shorter while it was read")
                    handle.write(piece)
                    left -= len(piece)
                handle.truncate(size)
    except gguf.GgufError as error:
        raise RehearsalError(f"{model}: {error}") from error
    except OSError as error:
        raise RehearsalError(f"the model's header cannot be copied: {error}") from error
    return target
