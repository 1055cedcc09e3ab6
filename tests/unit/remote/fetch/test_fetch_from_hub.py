"""The same against a server that speaks the hub's protocol, with a CDN of another host, and its faults."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strixkit.config.hub import file_url
from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.origin import File
from tests import hubserver
from tests.hubserver import Fault, Hub
from tests.unit.remote.fetch.fetching import DATA, FAST, SIZE, is_there
from tests.unit.remote.fetch.server import PIECE

REPO, FILE = "owner/name", "model.gguf"
NAME = f"{REPO}/{FILE}"
TOKEN = "hf_secret"
EDGES = [0, 1, PIECE - 1, PIECE, PIECE + 1, SIZE - PIECE, SIZE - 12345, SIZE - 1]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with one repository with one file."""
    (tmp_path / "hub" / REPO).mkdir(parents=True)
    (tmp_path / "hub" / NAME).write_bytes(DATA)
    return tmp_path / "hub"


@pytest.fixture
def hub(repository: Path) -> Iterator[Hub]:
    """The hub, with a CDN that is another host."""
    with hubserver.serving(repository, cdn="127.0.0.2") as hub:
        yield hub


def _fetch(hub: Hub, folder: Path, **limits: Any) -> None:
    url = file_url(hub.url, REPO, hub.commit(REPO), FILE)
    file = File(url, hashlib.sha256(DATA).hexdigest(), SIZE, TOKEN)
    engine = Engine(str(folder), Request(file), FAST._replace(**limits))
    try:
        engine.run()
    finally:
        engine.close()


def _good(hub: Hub, folder: Path, **limits: Any) -> None:
    """It comes to be there, and no byte comes twice."""
    _fetch(hub, folder, **limits)
    assert is_there(folder)
    assert hub.sent_twice(NAME) == 0
    assert {(one.server, one.authorization) for one in hub.requests} == {("hub", f"Bearer {TOKEN}"), ("cdn", "")}


def test_whole(hub: Hub, tmp_path: Path) -> None:
    _good(hub, tmp_path / "file")


@pytest.mark.parametrize("edge", EDGES)
def test_cut_at_an_edge(hub: Hub, tmp_path: Path, edge: int) -> None:
    fault = Fault(cut_at=edge, times=3)
    hub.faults.append(fault)
    _good(hub, tmp_path / "file")
    assert fault.happened == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, retry_after="1", times=3),
        Fault(status=429, retry_after="1", on="resolve", times=2),
        Fault(status=503, times=5),
        Fault(status=500, on="resolve", times=5),
        Fault(expired=True, on="resolve"),
        Fault(expired=True, skip=5),
        Fault(length=100, times=2),
    ],
    ids=lambda fault: repr({name: value for name, value in vars(fault).items() if value})[:60],
)
def test_what_passes_costs_no_byte_twice(hub: Hub, tmp_path: Path, fault: Fault) -> None:
    hub.faults.append(fault)
    _good(hub, tmp_path / "file")
    assert fault.happened


@pytest.mark.parametrize("fault", [Fault(shift=7, times=2), Fault(length=-100, times=2)])
def test_what_a_server_says_wrongly_of_its_bytes_is_not_taken(hub: Hub, tmp_path: Path, fault: Fault) -> None:
    hub.faults.append(fault)
    _fetch(hub, tmp_path / "file")
    assert is_there(tmp_path / "file")
    assert fault.happened == 2


def test_a_server_that_falls_silent(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault(stall=60, stall_at=2 * PIECE + 5, covers=2 * PIECE + 5))
    _fetch(hub, tmp_path / "file", answer=0.5)
    assert is_there(tmp_path / "file")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(content=b"another", skip=6), f"has 7 bytes, wanted {SIZE}|became another one|it has 7 bytes"),
        (Fault(content=DATA[::-1], skip=6), "became another one while it was fetched"),
        (Fault(total=SIZE - 1), f"has {SIZE - 1} bytes, wanted {SIZE}"),
        (Fault(wrong_at=5 * PIECE, times=99), f"has sha256 .*{SIZE} bytes of origin.*thrown away"),
        (Fault(on="resolve", location="ftp://127.0.0.1/x"), "wanted another http"),
        (Fault(headers={"Content-Encoding": "br"}), "is sent as br"),
    ],
)
def test_what_does_not_pass_is_told(hub: Hub, tmp_path: Path, fault: Fault, said: str) -> None:
    hub.faults.append(fault)
    with pytest.raises(FetchError, match=said):
        _fetch(hub, tmp_path / "file")


def test_a_file_that_the_hub_has_no_longer_at_that_commit(hub: Hub, repository: Path, tmp_path: Path) -> None:
    url = file_url(hub.url, REPO, hub.commit(REPO), FILE)
    (repository / NAME).write_bytes(b"another")
    engine = Engine(str(tmp_path / "file"), Request(File(url, "0" * 64, SIZE)), FAST)
    with pytest.raises(FetchError, match=r"answers 404 .*next: invoke lock"):
        engine.run()
    engine.close()


def test_a_server_without_ranges(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault(no_range=True, cut=3 * PIECE + 7))
    hub.faults.append(Fault(no_range=True, times=-1))
    _fetch(hub, tmp_path / "file")
    assert is_there(tmp_path / "file")


def test_encrypted(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("a certificate needs openssl")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hub"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    pair = (certificate, key)
    with hubserver.serving(repository, cdn="127.0.0.2", certificate=pair, cdn_certificate=pair) as hub:
        with pytest.raises(FetchError, match="certificate verify failed"):
            _fetch(hub, tmp_path / "file")
        assert hub.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        _good(hub, tmp_path / "file")
    with hubserver.serving(repository, cdn="127.0.0.2", certificate=pair) as hub:
        with pytest.raises(FetchError, match="not encrypted; refused"):
            _fetch(hub, tmp_path / "other")
        assert hub.bytes_sent() == 0
