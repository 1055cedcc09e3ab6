"""One question to a hub over HTTP. The answer is a stranger's: its time, size and redirects have limits."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import IO, Literal
from urllib.parse import urljoin, urlsplit

from strixkit.errors import StrixError
from strixkit.runtime.tokens import may_have_token
from strixkit.secret import Secret
from strixkit.sources.ranges import shown

WAIT_SECONDS = 20.0  # of one wait
SECONDS = 180.0  # of one question with all its redirects
PIECE = 1 << 16
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)


class HubError(StrixError):
    """A hub, or a repository, revision or file on it, could not be asked, or is not there."""


@dataclass(frozen=True)
class Answer:
    """status: of the last redirect that was followed. url: where that led."""

    status: int
    headers: Message
    body: bytes
    url: str

    def header(self, name: str) -> str:
        """The header's text, or nothing."""
        return str(self.headers.get(name, ""))


@dataclass(frozen=True)
class Hub:
    """A hub: its URL without a slash at its end, and the token for it alone.

    seconds: for one question with all its redirects. most_bytes: of one answer.
    """

    endpoint: str
    token: Secret | None = None
    seconds: float = SECONDS
    most_bytes: int = 64 << 20

    def head(self, url: str, stop: Callable[[Answer], bool]) -> Answer:
        """The headers; of a redirect that `stop` is true for, else of where the redirects lead. Raises HubError."""
        return self._within(lambda until: self._ask("HEAD", url, stop, until), url)

    def get(self, url: str) -> Answer:
        """The whole answer, of where the redirects lead. Raises HubError."""
        return self._within(lambda until: self._ask("GET", url, lambda _: False, until), url)

    def _within(self, ask: Callable[[float], Answer], url: str) -> Answer:
        """urllib's limit is of one wait: a server that sends a byte of a header now and then would hold us for days."""
        found: list[Answer | Exception] = []

        def work() -> None:
            try:
                found.append(ask(time.monotonic() + self.seconds))
            except Exception as error:  # it is raised where the question was asked
                found.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.seconds)
        result = found[0] if found else _slow(url)
        if isinstance(result, Exception):
            raise result
        return result

    def _ask(self, method: Literal["HEAD", "GET"], url: str, stop: Callable[[Answer], bool], until: float) -> Answer:
        place = url
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._once(method, place, until)
            if answer.status not in REDIRECTS or stop(answer):
                return answer
            there = urljoin(place, answer.header("Location"))
            if not (there.isascii() and there.isprintable()):
                raise HubError(f"{shown(place)} redirects to {there[:200]!r}: not followed")
            schemes = (urlsplit(place).scheme, urlsplit(there).scheme)
            if schemes[1] not in ("http", "https") or schemes == ("https", "http"):
                raise HubError(f"{shown(place)} redirects from {schemes[0]} to {schemes[1]!r:.20}: not followed")
            place = there
        raise HubError(f"{shown(url)}: more than {MOST_REDIRECTS} redirects", hint="is HF_ENDPOINT the right one?")

    def _once(self, method: str, url: str, until: float) -> Answer:
        """One answer, whatever its status is."""
        request = urllib.request.Request(
            url, method=method, headers={"Accept-Encoding": "identity", "User-Agent": "strixkit"}
        )
        if self.token and may_have_token(self.endpoint, url):
            request.add_unredirected_header("Authorization", f"Bearer {self.token.reveal()}")
        wait = min(WAIT_SECONDS, max(0.01, until - time.monotonic()))
        try:
            try:
                response = urllib.request.build_opener(_NoRedirects).open(request, timeout=wait)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                body = self._body(response, url, until) if method == "GET" and response.status == 200 else b""
                return Answer(response.status, response.headers, body, url)
        except TimeoutError as error:
            raise _slow(url) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise _slow(url) from error
            what = str(reason) or type(reason).__name__
            hint = "check the network, the proxy and HF_ENDPOINT"
            raise HubError(f"{shown(url)} cannot be asked: {what[:200]!r}", hint=hint) from error

    def _body(self, response: http.client.HTTPResponse | urllib.error.HTTPError, url: str, until: float) -> bytes:
        length = response.headers.get("Content-Length")
        too_much = HubError(f"{shown(url)} sends more than {self.most_bytes >> 20} MiB", hint="is it the right URL?")
        if length is not None and length.isdecimal() and (len(length) > 18 or int(length) > self.most_bytes):
            raise too_much
        data = bytearray()
        while piece := response.read(PIECE):
            data += piece
            if len(data) > self.most_bytes:
                raise too_much
            if time.monotonic() > until:
                raise _slow(url)
        if length is not None and length != str(len(data)):
            raise HubError(f"{shown(url)}: the connection ended after {len(data)} bytes of {length!r:.30}")
        return bytes(data)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Each redirect is an answer: who it leads to decides what is sent along."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """None: urllib does not follow."""


def _slow(url: str) -> HubError:
    return HubError(f"{shown(url)}: no whole answer in time", hint="the same command again")
