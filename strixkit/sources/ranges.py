"""One byte range of a URL, over HTTP; the server is not trusted to send what was asked for."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from strixkit.errors import ConnectError, InputError, StrixError

TIMEOUT_SECONDS = 20  # of one wait
LIMIT_SECONDS = 180  # of one range, so that a server cannot keep us by a byte now and then
PIECE = 1 << 16
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")
REASONS = {
    401: "the server wants a login",
    403: "the server refuses access",
    404: "there is no such file",
    410: "the file is gone",
    429: "the server wants fewer requests",
}


@dataclass(frozen=True)
class Piece:
    """Bytes of a file from `start` on; `total` is its size. `url` is where redirects led."""

    data: bytes
    total: int
    version: str
    url: str


def shown(url: str) -> str:
    """The URL without its query, which may be a signature."""
    scheme, host, path, _, _ = urlsplit(url)
    return urlunsplit((scheme, host, path, "", ""))


def fetch_range(url: str, start: int, stop: int) -> Piece:
    """Bytes `start` to `stop` (exclusive) of the file, fewer at its end.

    Raises InputError for what a repetition does not mend, ConnectError for the rest.
    """
    request = urllib.request.Request(
        url,
        headers={
            "Range": f"bytes={start}-{stop - 1}",
            "Accept-Encoding": "identity",
            "User-Agent": "strixkit",
        },
    )
    try:
        with urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT_SECONDS) as response:
            total = _check(response, url, start, stop)
            data = _body(response, url, min(stop, total) - start)
            return Piece(data, total, response.headers.get("ETag", ""), response.url)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error, url, start) from error
    except TimeoutError as error:
        raise _slow(url) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise _slow(url) from error
        raise ConnectError(f"{shown(url)}: {str(reason) or type(reason).__name__}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not out of HTTPS and not to other kinds of URL."""

    max_redirections = 5

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """The request for the new place. Raises InputError."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https") or (before == "https" and after == "http"):
            raise InputError(f"{shown(req.full_url)} redirects from {before} to {after}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _check(response: http.client.HTTPResponse, url: str, start: int, stop: int) -> int:
    """The size of the whole file, if the answer is the range that was asked for."""
    if response.status != 206:
        raise InputError(
            f"{shown(url)}: the server does not serve byte ranges (HTTP {response.status}, wanted 206), "
            "so the header cannot be read without the whole file",
            hint="download the file, and inspect it here",
        )
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise InputError(f"{shown(url)}: the server sent the range as {encoding!r:.40}, wanted it as it is")
    text = response.headers.get("Content-Range", "")
    found = CONTENT_RANGE.fullmatch(text)
    first, last, total = (int(number) for number in found.groups()) if found else (-1, -1, 0)
    if first != start or last != min(stop, total) - 1 or last < first:
        raise InputError(
            f"{shown(url)}: the server sent the range {text!r:.80}, wanted 'bytes {start}-{stop - 1}/SIZE'",
            hint="download the file, and inspect it here",
        )
    return total


def _body(response: http.client.HTTPResponse, url: str, size: int) -> bytes:
    data = bytearray()
    limit = time.monotonic() + LIMIT_SECONDS
    while len(data) < size:
        if not (piece := response.read1(min(PIECE, size - len(data)))):
            raise ConnectError(f"{shown(url)}: the connection ended after {len(data)} of {size} bytes")
        data += piece
        if time.monotonic() > limit:
            raise _slow(url)
    return bytes(data)


def _refused(error: urllib.error.HTTPError, url: str, start: int) -> StrixError:
    if error.code == 416:
        what = "it is empty" if start == 0 else "it became shorter while it was read"
        return InputError(f"{shown(url)}: the server has no such range of the file: {what}")
    if 300 <= error.code < 400:
        return InputError(f"{shown(url)}: the redirects lead nowhere (HTTP {error.code})")
    reason = REASONS.get(error.code, "the server failed" if error.code >= 500 else "the server refuses the request")
    kind = ConnectError if error.code >= 500 or error.code == 429 else InputError
    return kind(f"{shown(url)}: {reason} (HTTP {error.code})")


def _slow(url: str) -> ConnectError:
    return ConnectError(f"{shown(url)}: the server did not answer in time", hint="the same command again")
