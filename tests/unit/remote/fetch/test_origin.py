"""One box fetches a file from an origin, over real sockets: ranges, redirects, and what a server may say."""

from __future__ import annotations

import email.utils
import gzip
from pathlib import Path
from typing import Any

import pytest

from strixkit.remote.agent.fetch import pieces
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.origin import redirected
from strixkit.remote.agent.fetch.patience import retry_after
from strixkit.runtime.tokens import may_have_token
from tests.unit.remote.fetch.fetching import DATA, SIZE, SOON, fetch, is_there
from tests.unit.remote.fetch.server import PIECE, Answer, Asked, Origin, content, serving


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, SIZE])
def test_each_byte_once(tmp_path: Path, size: int) -> None:
    with serving(content(size)) as origin:
        engine = fetch(origin, tmp_path)
        assert is_there(tmp_path, origin.data)
        assert origin.sent() == size
        assert engine.store.sources() == {"origin": size}
        fetch(origin, tmp_path)
        assert origin.sent() == size


@pytest.mark.parametrize("cut", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1])
def test_a_connection_that_is_cut_costs_no_byte_twice(tmp_path: Path, cut: int) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        if number % 3 == 0 and number < 12:
            answer.cut = min(cut, len(answer.body) - 1)

    with serving(DATA) as origin:
        origin.fault = fault
        fetch(origin, tmp_path)
        assert is_there(tmp_path)
        assert origin.sent() == SIZE


def test_a_server_that_wants_to_be_left_alone_is(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        if number == 0:
            answer.status, answer.headers, answer.body = 429, {"Retry-After": "2"}, b""
        elif number < 4:
            answer.status, answer.body = 503, b""

    said: list[str] = []
    with serving(DATA) as origin:
        origin.fault = fault
        fetch(origin, tmp_path, progress=lambda value: said.append(value["state"]))
        assert origin.sent() == SIZE
    assert any("the hub asks to wait 2 s" in text for text in said), said


@pytest.mark.parametrize("wait", ["0", "Mon, 01 Jan 2001 00:00:00 GMT"])
def test_a_server_that_asks_for_no_wait_is_given_up_too(tmp_path: Path, wait: str) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.status, answer.headers, answer.body = 503, {"Retry-After": wait}, b""
        assert number < 1000

    with serving(DATA) as origin:
        origin.fault = fault
        with pytest.raises(FetchError, match="gave nothing new"):
            fetch(origin, tmp_path, limits=SOON)


def test_what_is_secret_in_a_url_is_in_no_error(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.headers["Content-Range"] = answer.headers["Content-Range"].replace(str(SIZE), str(SIZE + 1))

    def silent(number: int, asked: Asked, answer: Answer) -> None:
        answer.status, answer.body = 503, b""

    with serving(DATA) as origin:
        for number, each in enumerate((fault, silent)):
            origin.fault = each
            with pytest.raises(FetchError) as caught:
                fetch(origin, tmp_path / str(number), limits=SOON, url=origin.url + "?signature=s3cr3t")
            assert origin.url in str(caught.value)
            assert "s3cr3t" not in str(caught.value)


def test_retry_after_has_seconds_or_a_date() -> None:
    assert retry_after("30") == 30
    assert retry_after(email.utils.formatdate(1000, usegmt=True), lambda: 970.0) == 30
    assert retry_after(email.utils.formatdate(1000, usegmt=True), lambda: 2000.0) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_a_server_that_never_gives_anything_is_given_up_with_the_last_reason(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        if number > 2:
            answer.status, answer.body = 502, b""

    with serving(DATA) as origin:
        origin.fault = fault
        with pytest.raises(FetchError, match=r"gave nothing new for \d+ s: .* answers 502 Bad Gateway"):
            fetch(origin, tmp_path, limits=SOON)
        sent = origin.sent()
        recorded = pieces.total(pieces.load(str(tmp_path / "pieces")), SIZE)
        origin.fault = None
        fetch(origin, tmp_path)
        assert origin.sent() - sent == SIZE - recorded
        assert is_there(tmp_path)


def _headers(**headers: str) -> Any:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    return fault


def _status(status: int, **headers: str) -> Any:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.status, answer.body = status, b""
        answer.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    return fault


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            _headers(X_Linked_Etag='"' + "0" * 64 + '"'),
            rf"has sha256 {'0' * 64} now, wanted .*; nothing was taken of it",
        ),
        (_headers(Content_Range=f"bytes 0-0/{SIZE + 1}"), rf"has {SIZE + 1} bytes, wanted {SIZE}; next: invoke lock"),
        (_headers(Content_Encoding="gzip"), "is sent as gzip, wanted as it is"),
        (_status(416, Content_Range="bytes */77"), f"it has 77 bytes, wanted {SIZE}; next: invoke lock"),
        (_status(404), "answers 404 Not Found: it is not there any more; next: invoke lock"),
        (_status(410), "invoke lock"),
        (_status(401), "next: put a token of yours into /etc/strixkit/credentials/huggingface on the box"),
        (_status(403), "next: put a token"),
        (_status(400), "answers 400 Bad Request; wanted 206"),
        (_status(302, Location="ftp://example.org/file"), "redirects to 'ftp://example.org/file'"),
        (_status(302), "wanted another http"),
    ],
)
def test_what_no_other_attempt_mends_ends_it_at_once(tmp_path: Path, fault: Any, said: str) -> None:
    with serving(DATA) as origin:
        origin.fault = fault
        with pytest.raises(FetchError, match=said):
            fetch(origin, tmp_path)
        assert pieces.load(str(tmp_path / "pieces")) == {}
        assert len(origin.asked) <= 4


def test_an_etag_that_is_no_sha256_says_nothing(tmp_path: Path) -> None:
    with serving(DATA) as origin:
        origin.fault = _headers(X_Linked_Etag='W/"6b1dc0de"')
        fetch(origin, tmp_path)
        assert is_there(tmp_path)


def test_a_file_that_became_another_one_is_told(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.headers["ETag"] = '"one"' if number < 3 else '"two"'

    with serving(DATA) as origin:
        origin.fault = fault
        with pytest.raises(FetchError, match="became another one while it was fetched; next: invoke lock"):
            fetch(origin, tmp_path)


def test_wrong_bytes_are_thrown_away_and_told(tmp_path: Path) -> None:
    with serving(DATA) as origin:
        wanted = origin.sha256
        origin.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
        with pytest.raises(FetchError) as error:
            fetch(origin, tmp_path, sha256=wanted)
        assert f"has sha256 {origin.sha256}, wanted {wanted}" in str(error.value)
        assert f"{SIZE} bytes of origin" in str(error.value)
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "pieces").exists()


def test_a_server_without_ranges_is_read_from_the_beginning_by_one_connection(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.status, answer.headers, answer.body = 200, {"ETag": '"one"'}, DATA
        if number < 2:
            answer.cut = 3 * PIECE + 5

    notes: list[str] = []
    with serving(DATA) as origin:
        origin.fault = fault
        fetch(origin, tmp_path, say=notes.append)
        assert is_there(tmp_path)
    assert notes == ["the server gives no ranges: one connection reads from the beginning"]


def test_a_token_goes_to_the_first_host_alone(tmp_path: Path) -> None:
    with serving(DATA) as hub, serving(DATA) as store:
        hub.fault = _status(302, Location=store.url + "?signature=1", X_Linked_Etag=f'"{hub.sha256}"')
        fetch(hub, tmp_path, token="hf_secret")
        assert is_there(tmp_path)
        assert {one.headers.get("Authorization") for one in hub.asked} == {"Bearer hf_secret"}
        assert {one.headers.get("Authorization") for one in store.asked} == {None}
        assert store.sent() == SIZE


def test_a_signature_that_expires_is_replaced_by_another_one(tmp_path: Path) -> None:
    with serving(DATA) as hub, serving(DATA) as store:
        redirects = 0

        def redirect(number: int, asked: Asked, answer: Answer) -> None:
            nonlocal redirects
            redirects += 1
            answer.status, answer.body = 302, b""
            answer.headers = {"Location": f"{store.url}?signature={redirects}"}

        def expire(number: int, asked: Asked, answer: Answer) -> None:
            if number == 5:
                answer.status, answer.body = 403, b""

        hub.fault, store.fault = redirect, expire
        fetch(hub, tmp_path)
        assert is_there(tmp_path)
        assert redirects > 4
        store.fault = _status(403)
        with pytest.raises(FetchError, match="answers 403"):
            fetch(hub, tmp_path / "again")


def test_a_redirect_is_followed_and_none_out_of_encryption() -> None:
    assert redirected("https://hub/a/b", "/c?d") == "https://hub/c?d"
    assert redirected("http://hub/a", "https://other/b") == "https://other/b"
    with pytest.raises(FetchError, match=r"not encrypted; refused"):
        redirected("https://hub/a", "http://hub/a?secret")
    with pytest.raises(FetchError, match="wanted another"):
        redirected("https://hub/a", "")
    for wrong in ("https://h:99999/", "https://[::1/", "https://h:x/"):
        with pytest.raises(FetchError, match="https://hub/a redirects to no URL"):
            redirected("https://hub/a?secret", wrong)


def test_redirects_end(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.status, answer.body, answer.headers = 302, b"", {"Location": f"/file{number}"}

    with serving(DATA) as origin:
        origin.fault = fault
        with pytest.raises(FetchError, match="redirects more than 5 times"):
            fetch(origin, tmp_path)


def test_a_token_is_sent_encrypted_or_to_this_machine() -> None:
    assert may_have_token("https://hub/a", "https://hub:443/b")
    assert may_have_token("http://127.0.0.1:80/a", "http://127.0.0.1:80/b")
    assert may_have_token("http://[::1]:80/a", "http://[::1]/b")
    assert not may_have_token("http://hub/a", "http://hub/a")
    assert not may_have_token("https://hub/a", "https://hub.example.org/a")
    assert not may_have_token("https://hub/a", "https://hub:444/a")
    assert not may_have_token("https://hub/a", "http://hub/a")


def test_more_bytes_than_asked_for_are_not_taken(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        answer.body += b"more"

    with serving(DATA) as origin:
        origin.fault = fault
        fetch(origin, tmp_path)
        assert is_there(tmp_path)


def test_less_bytes_than_announced_are_asked_for_again(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        if number in (1, 5):
            answer.body = answer.body[:-7]

    with serving(DATA) as origin:
        origin.fault = fault
        fetch(origin, tmp_path)
        assert is_there(tmp_path)
        assert origin.sent() == SIZE


def test_nobody_at_the_address(tmp_path: Path) -> None:
    with serving(DATA) as gone:
        pass
    with pytest.raises(FetchError, match=r"Connection refused"):
        fetch(Origin(DATA, "127.0.0.1", gone.port), tmp_path, limits=SOON)


def test_a_compressed_answer_would_be_another_file(tmp_path: Path) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        assert asked.headers["Accept-Encoding"] == "identity"
        answer.body = gzip.compress(answer.body)
        answer.headers["Content-Encoding"] = "gzip"

    with serving(DATA) as origin:
        origin.fault = fault
        with pytest.raises(FetchError, match="gzip"):
            fetch(origin, tmp_path)
