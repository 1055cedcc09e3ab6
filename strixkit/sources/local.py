"""Headers of files on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from strixkit.errors import InputError
from strixkit.planner.gguf import GgufError, read_header
from strixkit.planner.splits import FilePart


def read_local(paths: Sequence[str]) -> list[FilePart]:
    """A part for each path; what cannot be read has a failure that names it."""
    return [_read(path) for path in paths]


def _read(text: str) -> FilePart:
    path = Path(text)
    if path.exists() and not path.is_file():
        return FilePart(text, failure=InputError(f"{text} is no regular file, wanted a GGUF file"))
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            return FilePart(text, size, read_header(handle, size))
    except GgufError as error:
        return FilePart(text, failure=InputError(f"{text}: {error}"))
    except FileNotFoundError:
        return FilePart(text, failure=InputError(f"{text} is not there"))
    except OSError as error:
        return FilePart(text, failure=InputError(f"{text} cannot be read: {error.strerror or error}"))
