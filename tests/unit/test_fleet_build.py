"""What a box answers to `build --push` and `probe` is not trusted."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from strixkit.config.host import Host, Service
from strixkit.engine.events import ignore
from strixkit.errors import RemoteError
from strixkit.fleet import build, probe
from strixkit.fleet.verbs import Access

HOST = Host(
    name="strix01",
    address="strix01",
    runtime="rocmfp4",
    services={"main": Service(profile="coding", model="qwen3.6-27b-mtp")},
)
SHA_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


class Answers:
    """A session that gives these answers in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.offsets = list(answers), []

    def request(self, do: str, **fields: Any) -> Any:
        self.offsets.append(fields.get("offset"))
        return self.answers.pop(0)

    def close(self) -> None:
        pass


def _piece(data: bytes, size: int = 3, sha256: str = SHA_OF_ABC) -> dict[str, Any]:
    return {"size": size, "sha256": sha256, "data": base64.b64encode(data).decode()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "strixkit/builds/x.tar"


def _fetch(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Answers:
    session = Answers(*answers)
    monkeypatch.setattr(build, "open_host", lambda host, access: session)
    build._fetch(HOST, Access(), "x", ignore)
    return session


def test_a_pack_comes_in_pieces_and_goes_on_where_it_broke_off(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"a")
    assert _fetch(monkeypatch, _piece(b"b"), _piece(b"c")).offsets == [1, 2]
    assert cache.read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "makes no sense"),
        ({"size": "x", "sha256": "", "data": ""}, "makes no sense"),
        ({"size": 3, "sha256": SHA_OF_ABC, "data": "no base64!"}, "makes no sense"),
        (_piece(b"abc", size=1 << 50), "refused"),
        (_piece(b"", size=3), "ends before its end"),
        (_piece(b"xyz"), "arrived damaged and was thrown away"),
    ],
)
def test_a_pack_that_is_none(answer: Any, words: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RemoteError, match=f"strix01: .*{words}"):
        _fetch(monkeypatch, answer)
    assert not cache.exists() or cache.read_bytes() == b""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "makes no sense"),
        ({"code": 2, "text": "", "words": "strix-probe: no such device\n", "error": ""}, "hip: strix-probe: no such"),
        ({"code": None, "text": "", "words": "", "error": "did not end within 600 s"}, "did not end within 600 s"),
        ({"code": 0, "text": "{}", "words": "", "error": ""}, "strix-probe's answer makes no sense"),
    ],
)
def test_a_probe_that_gives_nothing(answer: Any, words: str) -> None:
    with pytest.raises(RemoteError, match=f"strix01: .*{words}"):
        probe._read("strix01", "hip", answer)
