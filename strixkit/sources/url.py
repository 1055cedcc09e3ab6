"""Headers of files at URLs: the first MiB, and more only if the header goes on."""

from __future__ import annotations

from collections.abc import Sequence

from strixkit.errors import ConnectError, InputError, StrixError
from strixkit.planner.gguf import GgufError, Header, read_header
from strixkit.planner.splits import FilePart
from strixkit.sources.ranges import Piece, fetch_range, shown

MIB = 1 << 20
# A vocabulary of 250,000 tokens with its merges takes 10 MiB: two ranges. Nobody's header takes more than the last.
STEPS = (MIB, 16 * MIB, 64 * MIB)


def read_urls(urls: Sequence[str]) -> list[FilePart]:
    """A part for each URL; what cannot be read has a failure that names it."""
    return [_part(url) for url in urls]


def _part(url: str) -> FilePart:
    try:
        header, size = _read(url)
    except StrixError as error:
        return FilePart(shown(url), failure=error)
    return FilePart(shown(url), size, header)


def _read(url: str) -> tuple[Header, int]:
    piece = fetch_range(url, 0, STEPS[0])
    data = piece.data
    for step in STEPS[1:]:
        try:
            return read_header(data, piece.total), piece.total
        except GgufError as error:
            if error.kind != "incomplete" or error.needs > STEPS[-1]:
                raise _unreadable(url, data, error) from error
            if error.needs <= step:
                data += _more(url, piece, len(data), step).data
    try:
        return read_header(data, piece.total), piece.total
    except GgufError as error:
        raise _unreadable(url, data, error) from error


def _more(url: str, before: Piece, start: int, stop: int) -> Piece:
    """The next range, from where redirects led: of the same file, which may have been replaced meanwhile."""
    piece = fetch_range(before.url, start, min(stop, before.total))
    if (piece.total, piece.version) != (before.total, before.version):
        raise ConnectError(f"{shown(url)}: the file changed while it was read", hint="the same command again")
    return piece


def _unreadable(url: str, data: bytes, error: GgufError) -> InputError:
    hint = None
    if data.lstrip()[:1] == b"<":
        hint = "this is a web page: take the URL that a browser downloads the file from"
    message = str(error)
    if error.kind == "incomplete":
        message = f"a header of more than {STEPS[-1] // MIB} MiB is refused: {error}"
    return InputError(f"{shown(url)}: {message}", hint=hint)
