"""One connection to where a file is at home: follows redirects, and asks for bytes by range.

Nothing that a server says is believed: the hash of the whole file decides. What is looked at here tells early, and in
words, that it could not become right.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
from typing import Dict, NamedTuple, Optional
from urllib.parse import SplitResult, urljoin, urlsplit

from strixkit.remote.agent import paths
from strixkit.remote.agent.fetch.errors import AgainError, FetchError
from strixkit.remote.agent.fetch.patience import retry_after
from strixkit.runtime.tokens import may_have_token, place

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REFUSED = 3  # signed addresses in a row that are refused at once
SKIPPED_BYTES = 65536  # of an answer that nobody wants
SHA256 = re.compile(r"[0-9a-f]{64}")
RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
LOCK = "next: invoke lock (of a url: its sha256 and size_bytes), and look at what changed"
BROKEN = (OSError, http.client.HTTPException)


class File(NamedTuple):
    """What is wanted. token: for the URL's own host, or an empty text."""

    url: str
    sha256: str
    size: int
    token: str = ""


class Seen:
    """What the connections to one origin have in common: the ETag of each host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._etags: "Dict[str, str]" = {}

    def same(self, host: str, etag: str) -> bool:
        """Whether this host has said nothing else so far."""
        with self._lock:
            return self._etags.setdefault(host, etag) == etag


class Body(NamedTuple):
    """Bytes on the way. first, last: of the file. whole: the server gives no ranges, and this is all from byte 0."""

    response: "http.client.HTTPResponse"
    first: int
    last: int
    whole: bool


class Origin:
    """Use from one thread. A failed attempt raises AgainError; what no other attempt can mend raises FetchError."""

    def __init__(self, file: File, seen: Seen, seconds: float) -> None:
        self._file = file
        self._seen = seen
        self._seconds = seconds
        self._final = ""  # where the redirects led
        self._refused = 0
        self._connection: "Optional[http.client.HTTPConnection]" = None
        self._place = ("", "")

    def open(self, first: int, last: int) -> Body:
        """Ask for the bytes first..last; the answer may have less, or all."""
        try:
            return self._open(first, last)
        except ssl.SSLCertVerificationError as error:
            raise FetchError("%s: %s" % (shown(self._file.url), error)) from error
        except BROKEN as error:
            raise AgainError(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """End the connection, and begin at the URL itself the next time."""
        self._final = ""
        self._hang_up()

    def abort(self) -> None:
        """From another thread: end what is waited for."""
        shut_down(self._connection)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _open(self, first: int, last: int) -> Body:
        url = self._final or self._file.url
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(url, first, last)
            self._check_linked(response)
            if response.status not in REDIRECTS:
                self._check_status(url, response)
                body = self._check_body(url, response, first, last)
                self._final, self._refused = url, 0
                return body
            location = response.getheader("Location") or ""
            self._skip(response)
            url = redirected(url, location)
        raise FetchError(
            "%s redirects more than %d times; next: look at the URL" % (shown(self._file.url), MOST_REDIRECTS)
        )

    def _ask(self, url: str, first: int, last: int) -> "http.client.HTTPResponse":
        parts = urlsplit(url)
        headers = {
            "Host": parts.netloc,
            "User-Agent": "strixkit",
            "Accept-Encoding": "identity",
            "Range": "bytes=%d-%d" % (first, last),
        }
        if self._file.token and may_have_token(self._file.url, url):
            headers["Authorization"] = "Bearer " + self._file.token
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        kept = self._connection is not None and self._place == (parts.scheme, parts.netloc)
        connection = self._dial(parts)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse()
        except BROKEN:
            self._hang_up()
            if not kept:
                raise
        # A server may end a connection that it kept; that is no failure of anything.
        connection = self._dial(parts)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def _dial(self, parts: SplitResult) -> "http.client.HTTPConnection":
        if self._connection is not None and self._place == (parts.scheme, parts.netloc):
            return self._connection
        self._hang_up()
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, parts.port, timeout=self._seconds, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=self._seconds)
        self._place = (parts.scheme, parts.netloc)
        return self._connection

    def _skip(self, response: "http.client.HTTPResponse") -> None:
        """Read what is left of an answer so that the connection can be used again."""
        if (response.length or 0) > SKIPPED_BYTES or response.length is None:
            self._hang_up()
        else:
            response.read()

    def _check_linked(self, response: "http.client.HTTPResponse") -> None:
        found = bare(response.getheader("X-Linked-Etag"))
        if SHA256.fullmatch(found) and found != self._file.sha256:
            text = "%s has sha256 %s now, wanted %s; nothing was taken of it; %s"
            raise FetchError(text % (shown(self._file.url), found, self._file.sha256, LOCK))

    def _check_status(self, url: str, response: "http.client.HTTPResponse") -> None:
        status, file = response.status, self._file
        if status in (200, 206):
            return
        reason = "%s answers %d %s" % (shown(url), status, response.reason)
        content_range = response.getheader("Content-Range")
        wait = retry_after(response.getheader("Retry-After"))
        elsewhere = place(url) != place(file.url)
        remembered = bool(self._final)
        self.close()
        if status in (401, 403, 404, 410) and elsewhere and (remembered or self._refused < MOST_REFUSED):
            # What a redirect leads to is signed for some time only; the URL itself gives another one.
            self._refused += 1
            raise AgainError(reason)
        if status in (401, 403):
            raise FetchError("%s; %s" % (reason, token_hint(bool(file.token))))
        if status in (404, 410):
            raise FetchError("%s: it is not there any more; %s" % (reason, LOCK))
        if status == 416:
            match = RANGE.fullmatch(content_range or "")
            found = match[3] if match else "unknown"
            raise FetchError("%s: it has %s bytes, wanted %d; %s" % (reason, found, file.size, LOCK))
        if status in (408, 425, 429) or status >= 500:
            raise AgainError(reason, wait)
        raise FetchError("%s; wanted 206" % reason)

    def _check_body(self, url: str, response: "http.client.HTTPResponse", first: int, last: int) -> Body:
        size = self._file.size
        encoding = response.getheader("Content-Encoding") or "identity"
        if encoding.strip().lower() != "identity":
            raise FetchError("%s is sent as %s, wanted as it is (identity)" % (shown(url), encoding))
        etag = response.getheader("ETag")
        if etag and not self._seen.same(urlsplit(url).netloc, etag):
            raise FetchError(
                "the file at %s became another one while it was fetched; %s" % (shown(self._file.url), LOCK)
            )
        if response.status == 200:
            if response.length is not None and response.length != size:
                raise self._other_size(response.length)
            return Body(response, 0, size - 1, True)
        match = RANGE.fullmatch(response.getheader("Content-Range") or "")
        if match and match[3] not in ("*", str(size)):
            raise self._other_size(int(match[3]))
        if not match or match[1] is None or int(match[1]) != first or not first <= int(match[2]) <= last:
            found = response.getheader("Content-Range")
            raise AgainError("%s was asked for bytes %d-%d and answers %r" % (shown(url), first, last, found))
        return Body(response, first, int(match[2]), False)

    def _other_size(self, found: int) -> FetchError:
        return FetchError("%s has %d bytes, wanted %d; %s" % (shown(self._file.url), found, self._file.size, LOCK))


def redirected(url: str, location: str) -> str:
    """Pure: where a redirect leads. Raises FetchError for what is not followed."""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        parts.port  # noqa: B018  raises when it is none
    except ValueError as error:
        raise FetchError("%s redirects to no URL: %s" % (shown(url), error)) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or target == url:
        raise FetchError("%s redirects to %r; wanted another http(s) URL" % (shown(url), shown(target)))
    if urlsplit(url).scheme == "https" and parts.scheme != "https":
        raise FetchError("%s redirects to %s, which is not encrypted; refused" % (shown(url), shown(target)))
    return target


def shut_down(connection: "Optional[http.client.HTTPConnection]") -> None:
    """Let whoever reads from a connection read its end."""
    sock = connection.sock if connection is not None else None
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def bare(etag: "Optional[str]") -> str:
    """An ETag without what marks it as weak and without quotes."""
    text = (etag or "").strip()
    return (text[2:] if text.startswith("W/") else text).strip('"')


def shown(url: str) -> str:
    """A URL without its query, which may be a signature."""
    return url.partition("?")[0]


def token_hint(sent: bool) -> str:
    """What to do when a server refuses."""
    if sent:
        return "next: the token in %s on the box may not read it; accept the terms of the repository" % paths.HUB_TOKEN
    return "next: put a token of yours into %s on the box (root's, mode 0600)" % paths.HUB_TOKEN
