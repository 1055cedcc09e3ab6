"""What `invoke build` refuses before it touches a host; what a box answers to a push or a probe is not trusted."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from strixkit.config.host import Host
from strixkit.engine.events import ignore
from strixkit.errors import InputError, RemoteError
from strixkit.fleet import build, probe
from strixkit.fleet.verbs import Access
from tests.unit.probe_documents import LAVAPIPE

NAME = "r-0123456789ab-0123456789ab"
DATA = bytes(range(256)) * 40
PIECE = 4096


def _host(name: str = "strix01", runtime: str = "rocmfpx") -> Host:
    return Host(name=name, address=name, runtime=runtime, services={})


class Box:
    """Plays the session with a box that has a `pack`; `lie` changes its answers."""

    def __init__(self, pack: bytes = DATA, **lie: Any) -> None:
        self.pack, self.lie, self.sent = pack, lie, 0

    def request(self, do: str, **fields: Any) -> dict[str, Any]:
        piece = self.pack[fields["offset"] : fields["offset"] + PIECE]
        self.sent += len(piece)
        answer = {"size": len(self.pack), "sha256": hashlib.sha256(self.pack).hexdigest()}
        return {**answer, "data": base64.b64encode(piece).decode(), **self.lie}

    def close(self) -> None:
        return


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def fetch(monkeypatch: pytest.MonkeyPatch, box: Box) -> bytes:
    monkeypatch.setattr(build, "open_host", lambda host, access: box)
    pack = build._fetch(_host(), Access(), NAME, ignore)
    assert pack.size == len(box.pack)
    return Path(pack.path).read_bytes()


def test_a_pack_arrives_and_a_half_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box()
    assert fetch(monkeypatch, box) == DATA
    [path] = (build.cache.folder() / "builds").iterdir()
    path.write_bytes(DATA[:5000])
    again = Box()
    assert fetch(monkeypatch, again) == DATA
    assert again.sent == len(DATA) - 5000


def test_another_box_with_a_build_of_this_name_has_another_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two boxes that are alike give their builds one name, and the bytes need not be the same."""
    other = DATA[::-1] + b"more"
    assert fetch(monkeypatch, Box()) == DATA
    assert fetch(monkeypatch, Box(other)) == other


@pytest.mark.parametrize(
    "lie",
    [
        {"data": base64.b64encode(DATA + b"!").decode()},
        {"data": ""},
        {"sha256": "0" * 64},
        {"sha256": "../../x"},
        {"size": 1 << 60},
        {"size": float("inf")},
        {"data": 5},
        {"data": "no base64!"},
        {"size": "x"},
        {"size": None},
    ],
)
def test_a_box_that_sends_nonsense_ends_it(monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any]) -> None:
    with pytest.raises(RemoteError, match="strix01: "):
        fetch(monkeypatch, Box(**lie))


def test_a_pack_that_arrives_damaged_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with pytest.raises(RemoteError, match="arrived damaged and was thrown away"):
        fetch(monkeypatch, Box(DATA[::-1], sha256=sha256))
    assert list((build.cache.folder() / "builds").iterdir()) == []


def test_what_is_not_built_is_no_build() -> None:
    with pytest.raises(InputError) as caught:
        build.build(_host(runtime="debian"), Access(), ignore)
    assert "runtime debian has the provider package: there is nothing to build" in str(caught.value)
    assert "next: invoke deploy --host strix01" in str(caught.value)


def test_a_build_is_not_pushed_to_where_it_is_made() -> None:
    with pytest.raises(InputError, match="--push names no host beside strix01"):
        build.build_and_push(_host(), [_host()], Access(), ignore)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "makes no sense"),
        ({"code": 2, "text": "", "words": "strix-probe: no such device\n", "error": ""}, "hip: strix-probe: no such"),
        ({"code": None, "text": "", "words": "", "error": "did not end within 600 s"}, "did not end within 600 s"),
        ({"code": 0, "text": "{}", "words": "", "error": ""}, "strix-probe's answer makes no sense"),
        ({"code": 0, "text": LAVAPIPE, "words": "", "error": ""}, "was to measure hip; vulkan, right, exit 0"),
    ],
)
def test_a_probe_that_gives_nothing(answer: Any, words: str) -> None:
    with pytest.raises(RemoteError, match=f"strix01: .*{words}"):
        probe._read("strix01", "hip", answer)


def test_a_probe_whose_exit_is_not_its_verdict_is_not_believed() -> None:
    answer = {"code": 1, "text": LAVAPIPE, "words": "", "error": ""}
    with pytest.raises(RemoteError, match="was to measure vulkan; vulkan, right, exit 1"):
        probe._read("strix01", "vulkan", answer)
    assert probe._read("strix01", "vulkan", answer | {"code": 0}).right
