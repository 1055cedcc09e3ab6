"""Headers by byte ranges: how much is fetched, and every way in which a server may be wrong."""

from __future__ import annotations

import struct
import time
import tracemalloc

import pytest

from strixkit.errors import ConnectError, InputError
from strixkit.planner.splits import FilePart
from strixkit.sources import ranges
from strixkit.sources.url import MIB, read_urls
from tests.unit.planner.planner_cases import TINY, entry, head, strix_27b, text
from tests.unit.sources.conftest import Web


def read(web: Web, name: str = "tiny.gguf", manner: str = "good") -> FilePart:
    web.files.setdefault("tiny.gguf", TINY.read_bytes())
    [part] = read_urls([web.url(name, manner)])
    return part


def long_27b() -> tuple[bytes, int]:
    """The 27B's header with a vocabulary and merges of the real size, about 10 MiB."""
    data, size = strix_27b()
    tokens = entry("tokenizer.ggml.tokens", [f"token{n:06}" for n in range(248_320)])
    merges = entry("tokenizer.ggml.merges", [f"left{n:06} right" for n in range(247_587)])
    count = struct.unpack_from("<Q", data, 16)[0]
    whole = data[:16] + struct.pack("<Q", count + 2) + tokens + merges + data[24:]
    return whole, size + len(whole) - len(data)


def test_a_small_file_takes_one_range_and_not_the_weights(web: Web) -> None:
    part = read(web)
    assert part.failure is None
    assert part.header is not None
    assert (len(part.header.tensors), part.size) == (124, TINY.stat().st_size)
    assert [words for _, words in web.asked] == [f"bytes=0-{MIB - 1}"]


def test_the_27b_takes_two_ranges(web: Web) -> None:
    data, size = long_27b()
    assert 8 * MIB < len(data) < 16 * MIB < 15 << 30 < size
    web.files["27b.gguf"] = (data, size)
    part = read(web, "27b.gguf")
    assert part.header is not None
    assert len(part.header.tensors) == 866
    assert [words for _, words in web.asked] == [f"bytes=0-{MIB - 1}", f"bytes={MIB}-{16 * MIB - 1}"]


def test_redirects_are_followed_once_and_their_query_is_not_shown(web: Web) -> None:
    data, size = long_27b()
    web.files["27b.gguf"] = (data, size)
    part = read(web, "27b.gguf", "moved")
    assert part.header is not None
    assert part.name == web.url("27b.gguf", "moved")
    assert [path.split("/")[1] for path, _ in web.asked] == ["moved", "good", "good"]
    [lost] = read_urls([web.url("no.gguf?key=secret")])
    assert "secret" not in str(lost.failure)


@pytest.mark.parametrize(
    ("manner", "kind", "words"),
    [
        ("whole", InputError, "does not serve byte ranges (HTTP 200, wanted 206)"),
        ("wrong", InputError, "sent the range 'bytes 5-1048580/3499776', wanted 'bytes 0-1048575/SIZE'"),
        ("unsaid", InputError, "/*'"),
        ("none", InputError, "sent the range ''"),
        ("gzip", InputError, "as 'gzip'"),
        ("half", ConnectError, "ended after 524288 of 1048576 bytes"),
        ("loop", InputError, "redirects lead nowhere (HTTP 302)"),
        ("away", InputError, "redirects from http to ftp"),
        ("local", InputError, "redirects lead nowhere (HTTP 302)"),
        ("401", InputError, "wants a login (HTTP 401)"),
        ("403", InputError, "refuses access (HTTP 403)"),
        ("404", InputError, "no such file (HTTP 404)"),
        ("418", InputError, "refuses the request (HTTP 418)"),
        ("429", ConnectError, "fewer requests (HTTP 429)"),
        ("503", ConnectError, "the server failed (HTTP 503)"),
    ],
)
def test_what_a_server_does_wrong_is_said(web: Web, manner: str, kind: type[Exception], words: str) -> None:
    part = read(web, manner=manner)
    assert type(part.failure) is kind
    assert words in str(part.failure)
    assert str(part.failure).startswith(web.url("tiny.gguf", manner))


def test_a_server_that_says_nothing_is_left(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "TIMEOUT_SECONDS", 0.2)
    assert "did not answer in time" in str(read(web, manner="slow").failure)


def test_a_server_that_drips_is_left(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "LIMIT_SECONDS", -1)
    assert "did not answer in time" in str(read(web).failure)


def test_nobody_listens() -> None:
    [part] = read_urls(["http://127.0.0.1:9/x.gguf"])
    assert isinstance(part.failure, ConnectError)
    assert "refused" in str(part.failure)


def test_a_file_that_is_replaced_meanwhile_is_told(web: Web) -> None:
    web.files["27b.gguf"] = long_27b()
    assert "changed while it was read" in str(read(web, "27b.gguf", "changing").failure)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"<!doctype html><title>x", "this is a web page"),
        (b"GGUF\3\0\0\0", "truncated|ends inside"),
        (bytes(5000), "zero bytes"),
        (TINY.read_bytes()[:9000], "ends inside the header"),
    ],
)
def test_what_is_no_gguf_is_said(web: Web, content: bytes, words: str) -> None:
    web.files["x.gguf"] = content
    found = str(read(web, "x.gguf").failure)
    assert any(word in found for word in words.split("|"))


@pytest.mark.parametrize("count", [2**30, 2**40])
def test_a_hostile_header_costs_one_range(web: Web, count: int) -> None:
    """It announces a string as long as the file: nobody fetches that to see."""
    data = head(0, 1) + text("k") + struct.pack("<IQ", 8, count)
    web.files["x.gguf"] = (data, 2**41)
    start = time.perf_counter()
    tracemalloc.start()
    try:
        failure = str(read(web, "x.gguf").failure)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB  # the server's own bytes are among them
    finally:
        tracemalloc.stop()
    assert "more than 64 MiB is refused" in failure
    assert len(web.asked) == 1
    assert web.sent <= MIB
    assert time.perf_counter() - start < 2


def test_a_header_that_never_ends_costs_no_more_than_the_last_step(web: Web) -> None:
    strings = (struct.pack("<Q", 3 * MIB) + bytes(3 * MIB)) * 22
    web.files["x.gguf"] = (head(0, 1) + text("k") + struct.pack("<IIQ", 9, 8, 100) + strings, 2**40)
    assert "more than 64 MiB is refused" in str(read(web, "x.gguf").failure)
    assert web.sent <= 64 * MIB
