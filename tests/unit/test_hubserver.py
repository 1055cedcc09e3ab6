"""The tests' own hub, asked by urllib: what it says is what the protocol has, and each fault does what it says."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.hubserver import Fault, Hub, serving
from tests.hubserver.faults import FOREVER, date_in

DATA = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()
REPO, FILE = "some/tiny", "some/tiny/model.gguf"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def get(url: str, *, follow: bool = True, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    """Status, headers and body; of an error too. An underscore in a header's name stands for its dash."""
    handlers = [urllib.request.ProxyHandler({}), *([] if follow else [_Stay()])]
    words = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.build_opener(*handlers).open(
            urllib.request.Request(url, headers=words, method=method), timeout=20
        ) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file, data in {FILE: DATA, "some/tiny/README.md": b"# tiny\n", "datasets/some/words/a.txt": b"a\n"}.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(data)
    return tmp_path


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    with serving(folder, cdn="127.0.0.2") as hub:
        yield hub


def resolve(hub: Hub, file: str = "model.gguf", ref: str = "main", repo: str = REPO) -> str:
    return f"{hub.url}/{repo}/resolve/{ref}/{file}"


def test_a_large_file_is_a_redirect_with_its_hash_and_size(hub: Hub) -> None:
    for method in ("HEAD", "GET"):
        status, headers, _ = get(resolve(hub), follow=False, method=method)
        assert status == 302
        assert headers["X-Linked-Etag"] == f'"{SHA256}"'
        assert headers["X-Linked-Size"] == str(len(DATA))
        assert headers["X-Repo-Commit"] == hub.commit(REPO)
        assert headers["Location"].startswith("http://127.0.0.2:")
    assert get(resolve(hub))[2] == DATA
    assert get(resolve(hub, ref=hub.commit(REPO)))[2] == DATA
    assert hub.bytes_sent(FILE) == hub.bytes_sent(FILE, "127.0.0.1") == 2 * len(DATA)
    assert hub.sent_twice(FILE) == len(DATA)


def test_a_small_file_is_given_at_once(hub: Hub) -> None:
    status, headers, body = get(resolve(hub, "README.md"), follow=False)
    assert (status, body) == (200, b"# tiny\n")
    assert headers["ETag"] == f'"{hashlib.sha1(b"blob 7" + bytes(1) + body).hexdigest()}"'
    assert "X-Linked-Size" not in headers


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("no/such/resolve/main/a", 404, "RepoNotFound"),
        ("some/tiny/resolve/nowhere/model.gguf", 404, "RevisionNotFound"),
        ("some/tiny/resolve/main/none.gguf", 404, "EntryNotFound"),
        ("api/models/no/such/revision/main", 404, "RepoNotFound"),
        ("closed/one/resolve/main/a", 401, "GatedRepo"),
    ],
)
def test_what_is_not_there(hub: Hub, path: str, status: int, code: str) -> None:
    hub.gated["closed/one"] = "hf_x"
    found, headers, _ = get(f"{hub.url}/{path}")
    assert (found, headers["X-Error-Code"]) == (status, code)


def test_the_api_names_the_commit_and_the_files(hub: Hub, folder: Path) -> None:
    answer = json.loads(get(f"{hub.url}/api/models/{REPO}/revision/main")[2])
    assert answer["sha"] == hub.commit(REPO)
    assert answer["siblings"] == [{"rfilename": "README.md"}, {"rfilename": "model.gguf"}]
    (folder / "some/tiny@v1").mkdir()
    (folder / "some/tiny@v1/model.gguf").write_bytes(b"old")
    other = json.loads(get(f"{hub.url}/api/models/{REPO}/revision/v1?blobs=true")[2])
    assert other["sha"] not in ("", answer["sha"])
    assert other["siblings"][0]["lfs"]["sha256"] == hashlib.sha256(b"old").hexdigest()
    assert get(resolve(hub, ref=other["sha"]))[2] == b"old"
    assert "sha" in json.loads(get(f"{hub.url}/api/datasets/some/words")[2])
    assert get(resolve(hub, "a.txt", repo="datasets/some/words"))[2] == b"a\n"


def test_a_token_opens_a_gated_repository_and_is_logged(hub: Hub) -> None:
    hub.gated[REPO] = "hf_secret"
    assert get(resolve(hub))[0] == 401
    assert get(resolve(hub), Authorization="Bearer hf_other")[0] == 401
    assert get(resolve(hub), Authorization="Bearer hf_secret")[0] == 200
    seen = [(one.server, one.authorization) for one in hub.requests][-2:]
    assert seen == [("hub", "Bearer hf_secret"), ("cdn", "Bearer hf_secret")]  # urllib sends it on: ours must not


def test_ranges(hub: Hub) -> None:
    url = get(resolve(hub), follow=False)[1]["Location"]
    status, headers, body = get(url, Range="bytes=10-19")
    assert (status, headers["Content-Range"], body) == (206, f"bytes 10-19/{len(DATA)}", DATA[10:20])
    assert headers["Accept-Ranges"] == "bytes"
    assert get(url, Range="bytes=-5")[2] == DATA[-5:]
    assert get(url, Range=f"bytes={len(DATA) - 3}-")[2] == DATA[-3:]
    status, headers, _ = get(url, Range=f"bytes={len(DATA)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")
    assert get(url, Range="bytes=10-19", If_Range=f'"{SHA256}"')[0] == 206
    assert get(url, Range="bytes=10-19", If_Range='"other"')[2] == DATA
    assert get(hub.plain(FILE), Range="bytes=0-0")[2] == DATA[:1]


def test_a_redirect_expires(hub: Hub) -> None:
    url = get(resolve(hub), follow=False)[1]["Location"]
    assert get(url.replace("Signature=", "Signature=0"))[0] == 403
    hub.faults.append(Fault(on="resolve", expired=True))
    assert get(resolve(hub))[0] == 403
    assert get(resolve(hub))[0] == 200


@pytest.mark.parametrize("count", [0, 1, 1000, len(DATA) - 1])
def test_a_connection_is_cut_after_exactly_so_many_bytes(hub: Hub, count: int) -> None:
    hub.faults.append(Fault(cut=count, times=2))
    for _ in range(2):
        with pytest.raises(http.client.IncompleteRead) as caught:
            get(resolve(hub))
        assert caught.value.partial == DATA[:count]
    assert get(resolve(hub))[2] == DATA
    assert hub.bytes_sent(FILE) == 2 * count + len(DATA)


def test_a_connection_is_cut_at_an_offset_of_the_file(hub: Hub) -> None:
    hub.faults.append(Fault(cut_at=150))
    url = get(resolve(hub), follow=False)[1]["Location"]
    assert get(url, Range="bytes=0-99")[2] == DATA[:100]
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(url, Range="bytes=100-199")
    assert caught.value.partial == DATA[100:150]


def test_faults_of_a_file_of_bytes(hub: Hub) -> None:
    url = hub.plain(FILE)
    cases = [
        (
            Fault(status=429, retry_after=date_in(3)),
            lambda status, headers, _: status == 429 and headers["Retry-After"],
        ),
        (Fault(status=503, retry_after="1"), lambda status, headers, _: (status, headers["Retry-After"]) == (503, "1")),
        (Fault(no_range=True), lambda status, _, body: (status, body) == (200, DATA)),
        (Fault(content=b"newer"), lambda status, headers, body: body == b"we" and headers["ETag"] != '"x"'),
        (Fault(total=7), lambda _, headers, body: headers["Content-Range"] == "bytes 2-3/7" and body == DATA[2:4]),
        (
            Fault(shift=1),
            lambda _, headers, body: headers["Content-Range"].startswith("bytes 3-4/") and body == DATA[2:4],
        ),
        (Fault(wrong_at=3), lambda _, __, body: body == bytes([2, 0xFC])),
        (Fault(length=-1), lambda _, __, body: body == DATA[2:3]),
        (Fault(whole_only=True), lambda _, headers, __: "Accept-Ranges" not in headers),
        (Fault(headers={"ETag": None}), lambda _, headers, __: "ETag" not in headers),
    ]
    for fault, right in cases:
        hub.faults[:] = [fault]
        found = get(url, Range="bytes=2-3")
        assert right(*found), (fault, found[0], dict(found[1]))
        assert get(url, Range="bytes=2-3")[2] == DATA[2:4]
    hub.faults[:] = [Fault(length=5)]
    with pytest.raises(http.client.IncompleteRead):
        get(url, Range="bytes=2-3")


def test_a_fault_is_for_the_requests_that_it_fits(hub: Hub) -> None:
    hub.faults.append(Fault(file="other", status=500, times=FOREVER))
    hub.faults.append(Fault(peer="127.0.0.9", status=500, times=FOREVER))
    hub.faults.append(Fault(covers=500, skip=1, status=503))
    url = hub.plain(FILE)
    statuses = [get(url, Range=f"bytes={first}-{first + 99}")[0] for first in (500, 0, 450, 500)]
    assert statuses == [206, 206, 503, 206]
    hub.faults.append(Fault(on="api", status=429))
    assert [get(f"{hub.url}/api/models/{REPO}")[0] for _ in range(2)] == [429, 200]


def test_redirects_to_elsewhere(hub: Hub) -> None:
    hub.faults.append(Fault(on="resolve", location="ftp://127.0.0.1/a"))
    assert get(resolve(hub), follow=False)[1]["Location"] == "ftp://127.0.0.1/a"
    hub.moved["old/name"] = REPO
    assert get(resolve(hub, repo="old/name"), follow=False)[1]["Location"].startswith("/some/tiny/resolve/main/")
    assert get(resolve(hub, repo="old/name"))[2] == DATA


def test_a_stall_ends_with_the_server(folder: Path) -> None:
    with serving(folder) as hub:
        hub.faults.append(Fault(stall=3600, stall_at=10))
        parts = urlsplit(hub.plain(FILE))
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        assert answer.read(10) == DATA[:10]
        begun = time.monotonic()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert time.monotonic() - begun < 3600


def test_the_rate_is_that_of_all_connections_together(folder: Path) -> None:
    with serving(folder, rate=len(DATA)) as hub:
        begun = time.monotonic()
        assert get(resolve(hub))[2] == DATA
        # No faster than told, but for what the bucket holds at the start.
        assert time.monotonic() - begun > 0.8


def test_https(folder: Path, tmp_path: Path) -> None:
    paths = (tmp_path / "cert.pem", tmp_path / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=hub"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(cafile=paths[0])
    with serving(folder, certificate=paths) as hub, urllib.request.urlopen(resolve(hub), context=context) as answer:
        assert answer.read() == DATA
