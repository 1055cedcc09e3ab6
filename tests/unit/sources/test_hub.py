"""What a hub says of a revision, over real sockets; most answers here are those of a hub that fails or lies."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from strixkit.config.lock import LockedFile
from strixkit.errors import InputError
from strixkit.runtime.tokens import may_carry_token
from strixkit.secret import Secret
from strixkit.sources.hub import Revision, ask, files
from strixkit.sources.hub_http import Answer, Hub, HubError
from strixkit.sources.hub_refusal import refusal
from strixkit.sources.hub_token import token, token_for
from tests.scriptedhub import ScriptedHub, answer, scripted_hub

REPO, COMMIT, SHA = "owner/name", "a" * 40, "b" * 64
PATH = f"/{REPO}/resolve/{COMMIT}/m.gguf"
API = f"/api/models/{REPO}/revision/main"


@pytest.fixture
def server() -> Iterator[ScriptedHub]:
    with scripted_hub() as running:
        yield running


@pytest.fixture
def hub(server: ScriptedHub) -> Hub:
    return Hub(server.url)


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "XDG_CACHE_HOME", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def one(hub: Hub, name: str = "m.gguf", *others: str) -> LockedFile:
    found = files(hub, Revision(REPO, COMMIT, (name, *others)), [name])[name]
    if isinstance(found, HubError):
        raise found
    return found


def test_a_large_file_is_not_fetched(server: ScriptedHub, hub: Hub) -> None:
    server.revision(REPO, "main", COMMIT, "m.gguf", ".gitattributes")
    server.large(REPO, COMMIT, "m.gguf", 16_500_000_000, SHA)
    revision = ask(hub, REPO, "main")
    assert revision == Revision(REPO, COMMIT, ("m.gguf", ".gitattributes"))
    assert files(hub, revision, ["m.gguf"]) == {
        "m.gguf": LockedFile(file="m.gguf", size_bytes=16_500_000_000, sha256=SHA)
    }
    assert [(method, path) for method, path, _ in server.seen] == [("GET", API), ("HEAD", PATH)]


def test_a_small_file_is_fetched_and_hashed(server: ScriptedHub, hub: Hub) -> None:
    data = b"calibration" * 1000
    server.small(REPO, COMMIT, "m.gguf", data)
    assert one(hub) == LockedFile(file="m.gguf", size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_a_small_file_behind_the_hubs_own_redirect(server: ScriptedHub, hub: Hub) -> None:
    """As Hugging Face gives it: the linked etag is then git's hash, not a sha256."""
    blob = hashlib.sha1(b"blob 3\0abc").hexdigest()
    headers = {"Location": f"/api/resolve-cache{PATH}", "X-Linked-Etag": f'"{blob}"', "X-Linked-Size": "3"}
    server.answers["HEAD", PATH] = answer(307, headers)
    server.answers["GET", PATH] = answer(307, headers)
    server.answers["GET", f"/api/resolve-cache{PATH}"] = answer(200, body=b"abc")
    assert one(hub).sha256 == hashlib.sha256(b"abc").hexdigest()
    server.answers["GET", f"/api/resolve-cache{PATH}"] = answer(200, body=b"<html>sign in</html>")
    with pytest.raises(HubError, match="what came is not the file that the hub has"):
        one(hub)


def test_a_small_file_that_is_not_what_came(server: ScriptedHub, hub: Hub) -> None:
    """A proxy's page, and the pointer that git has in the place of a large file."""
    server.small(REPO, COMMIT, "m.gguf", b"words")
    server.answers["GET", PATH] = answer(200, body=b"<html>sign in</html>")
    with pytest.raises(HubError, match="what came is not the file that the hub has"):
        one(hub)
    server.small(REPO, COMMIT, "m.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64)
    with pytest.raises(HubError, match="a pointer of git-lfs instead of the file"):
        one(hub)


def test_a_dataset_and_a_ref_with_a_slash(server: ScriptedHub, hub: Hub) -> None:
    server.revision(REPO, "refs%2Fpr%2F1", COMMIT, api="datasets")
    assert ask(hub, f"datasets/{REPO}", "refs/pr/1").commit == COMMIT


def test_a_renamed_repository(server: ScriptedHub, hub: Hub) -> None:
    server.answers["GET", API] = answer(307, {"Location": "/api/models/other/newname/revision/main"})
    server.revision("other/newname", "main", COMMIT, "m.gguf")
    server.large("other/newname", COMMIT, "m.gguf", 5, SHA)
    revision = ask(hub, REPO, "main")
    assert revision.moved == "other/newname"
    assert files(hub, revision, ["m.gguf"])["m.gguf"] == LockedFile(file="m.gguf", size_bytes=5, sha256=SHA)


def test_the_token_goes_to_the_hub_alone(server: ScriptedHub) -> None:
    with scripted_hub() as other:
        other.answers["GET", "/bytes"] = answer(200, body=b"abc")
        server.answers["HEAD", PATH] = answer(200)
        server.answers["GET", PATH] = answer(302, {"Location": f"{other.url}/bytes"})
        assert one(Hub(server.url, Secret("hf_x"))).size_bytes == 3
        assert {sent for *_, sent in server.seen} == {"Bearer hf_x"}
        assert other.seen == [("GET", "/bytes", "")]


def test_where_a_token_may_go() -> None:
    assert may_carry_token("https://huggingface.co/x")
    assert may_carry_token("http://127.0.0.1:8000/x")
    assert may_carry_token("http://[::1]:8000/x")
    assert not may_carry_token("http://mirror.lan/x")
    assert not may_carry_token("http://10.0.0.1/x")


def test_a_token_is_for_urls_of_the_hub_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example/")
    assert token_for("https://hub.example/o/n/resolve/c/f") == Secret("hf_x")
    for other in ("https://hub.example.org/f", "http://hub.example/f", "https://hub.example:444/f"):
        assert token_for(other) is None


def test_the_token_is_where_hugging_face_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert token() is None
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("hf_home\n")
    assert token() == Secret("hf_home")
    (tmp_path / "elsewhere").write_text("hf_path\n")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "elsewhere"))
    assert token() == Secret("hf_path")
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    assert token() == Secret("hf_environment")
    monkeypatch.setenv("HF_TOKEN", "not a\ttoken")
    with pytest.raises(InputError, match="HF_TOKEN holds no token") as caught:
        token()
    assert "not a" not in str(caught.value)


def test_a_file_in_a_folder(hub: Hub) -> None:
    with pytest.raises(HubError, match=r"has no m\.gguf at aaaaaaaaaaaa; it is there as 'f16/m\.gguf'") as caught:
        files_of(hub, "f16/m.gguf")
    assert caught.value.hint == "in the model's file: source: {hub: {repo: owner/name, file: 'f16/m.gguf'}}"
    found = files(hub, Revision(REPO, COMMIT, ("f16/m.gguf",), ref=COMMIT), ["m.gguf"])["m.gguf"]
    assert isinstance(found, HubError)
    assert f"ref: {COMMIT}, file: 'f16/m.gguf'" in (found.hint or "")
    with pytest.raises(HubError, match=r"did you mean 'mm\.gguf'"):
        files_of(hub, "mm.gguf")
    with pytest.raises(HubError, match=r"has no m\.gguf at aaaaaaaaaaaa\n"):
        files_of(hub, "README.md")


def files_of(hub: Hub, *names: str) -> None:
    found = files(hub, Revision(REPO, COMMIT, names), ["m.gguf"])["m.gguf"]
    assert isinstance(found, HubError)
    raise found


@pytest.mark.parametrize(
    ("status", "headers", "said", "hint"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, "owner/name is gated", "accept them on"),
        (403, {"X-Error-Code": "GatedRepo"}, "owner/name is gated", "as HF_TOKEN"),
        (401, {"X-Error-Code": "RepoNotFound"}, "does not exist, or is private", "correct repo:"),
        (401, {}, "is not shown without a token", "as HF_TOKEN"),
        (403, {}, "is not shown without a token", "as HF_TOKEN"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "has no revision main", "correct ref:"),
        (404, {}, "does not exist, or is private", "correct repo:"),
        (429, {"Retry-After": "77"}, "wants fewer requests", "the same command in 77 s"),
        (429, {"Retry-After": "\u00b2"}, "wants fewer requests", "the same command in some minutes"),
        (503, {"X-Error-Message": "over\x1b[2Jload"}, r"HTTP 503: 'over\\x1b\[2Jload'", "later"),
    ],
)
def test_refusals(server: ScriptedHub, hub: Hub, status: int, headers: dict[str, str], said: str, hint: str) -> None:
    server.answers["GET", API] = answer(status, headers)
    with pytest.raises(HubError, match=said) as caught:
        ask(hub, REPO, "main")
    assert hint in (caught.value.hint or "")


def test_a_token_that_was_not_sent_is_not_said_to_be_refused() -> None:
    refused = Answer(401, Message(), b"", "http://hub.example/api")
    plain = refusal(Hub("http://hub.example", Secret("hf_x")), refused, REPO, "revision main")
    assert "without a token" in plain.message
    assert plain.hint == "HF_ENDPOINT as https://...: over http the token is not sent"
    assert "for this token" in refusal(Hub("https://hub.example", Secret("hf_x")), refused, REPO, "it").message


def test_a_file_that_is_refused(server: ScriptedHub, hub: Hub) -> None:
    server.answers["HEAD", PATH] = answer(404, {"X-Error-Code": "EntryNotFound"})
    with pytest.raises(HubError, match=r"owner/name has no file m\.gguf"):
        one(hub)


@pytest.mark.parametrize("commit", ["main", "A" * 40, "a" * 64, 7, None, "\x1b[2J"])
def test_a_commit_that_is_none(server: ScriptedHub, hub: Hub, commit: object) -> None:
    server.revision(REPO, "main", commit)
    with pytest.raises(HubError, match="wanted 40 hex digits") as caught:
        ask(hub, REPO, "main")
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_another_commit_than_asked_for(server: ScriptedHub, hub: Hub) -> None:
    server.revision(REPO, "c" * 40, COMMIT)
    with pytest.raises(HubError, match=r"asked for commit c+, the hub answers with a+"):
        ask(hub, REPO, "c" * 40)
    server.large(REPO, COMMIT, "m.gguf", 5, SHA, X_Repo_Commit="c" * 40)
    with pytest.raises(HubError, match=r"the hub answers with the commit 'c+'"):
        one(hub)


@pytest.mark.parametrize("size", ["", "-1", "0", "1e9", " 5", "0x10", "\u00b2", "9" * 30, str(1 << 60)])
def test_a_size_that_is_none(server: ScriptedHub, hub: Hub, size: str) -> None:
    server.large(REPO, COMMIT, "m.gguf", size, SHA)
    if size == " 5":  # HTTP itself takes the space away
        assert one(hub).size_bytes == 5
        return
    with pytest.raises(HubError, match="wanted a number of bytes"):
        one(hub)


@pytest.mark.parametrize("sha256", ["B" * 64, "b" * 63, "g" * 64, "\x1b[2J", "b" * 64 + "-2"])
def test_a_sha256_that_is_none(server: ScriptedHub, hub: Hub, sha256: str) -> None:
    server.large(REPO, COMMIT, "m.gguf", 5, sha256)
    with pytest.raises(HubError, match="wanted 64 hex digits") as caught:
        one(hub)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"[" * 100_000, b"\xff\xfe", b""])
def test_a_page_that_is_no_json(server: ScriptedHub, hub: Hub, body: bytes) -> None:
    server.answers["GET", API] = answer(200, body=body)
    with pytest.raises(HubError, match="with no JSON"):
        ask(hub, REPO, "main")


def test_siblings_of_any_shape(server: ScriptedHub, hub: Hub) -> None:
    body = b'{"sha": "%s", "siblings": [7, null, {"rfilename": 3}, {"rfilename": "m.gguf"}, []]}' % COMMIT.encode()
    server.answers["GET", API] = answer(200, body=body)
    assert ask(hub, REPO, "main").names == ("m.gguf",)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answer(200, {f"X-{number}": "y" for number in range(1000)}), "cannot be asked: 'got more than 100 headers'"),
        (answer(200, {"X": "y" * (1 << 20)}), "cannot be asked: .*got more than 65536 bytes"),
        (b"\x00\x1b[2J\r\n", "cannot be asked"),
        (b"", "cannot be asked"),
        (answer(200, {"Content-Length": "10"}, b"{}"), "ended after 2 bytes of '10'"),
        (answer(200, {"Content-Length": "9" * 19}, b"{}"), "sends more than 64 MiB"),
        (answer(200, {"Content-Length": str(1 << 31)}, b"{}"), "sends more than 64 MiB"),
        (answer(302, {"Location": "file:///etc/passwd"}), "redirects from http to 'file'"),
        (answer(302, {"Location": "http://h/\x1b[2J"}), r"redirects to 'http://h/\\x1b"),
        (answer(302, {"Location": API}), "more than 5 redirects"),
        (answer(302), "more than 5 redirects"),
        (answer(302, {"Location": "http://[broken/"}), "cannot be asked|redirects"),
    ],
)
def test_answers_that_are_none(server: ScriptedHub, hub: Hub, reply: bytes, said: str) -> None:
    server.answers["GET", API] = reply
    with pytest.raises(HubError, match=said) as caught:
        ask(hub, REPO, "main")
    assert "\x1b" not in str(caught.value)


def test_a_body_without_an_end() -> None:
    with scripted_hub() as server:
        server.answers["GET", API] = answer(200, body=b"x" * 4096, length=False)
        with pytest.raises(HubError, match="sends more than 0 MiB"):
            ask(Hub(server.url, most_bytes=1024), REPO, "main")


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        hub = Hub(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(HubError, match=r"cannot be asked: .*refused") as caught:
            ask(hub, REPO, "main")
    assert caught.value.hint == "check the network, the proxy and HF_ENDPOINT"


def test_a_header_that_drips() -> None:
    """A byte now and then, within the limit of each wait: the whole question has one too."""
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"y")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        try:
            with pytest.raises(HubError, match="no whole answer in time"):
                ask(Hub(f"http://127.0.0.1:{listening.getsockname()[1]}", seconds=1), REPO, "main")
        finally:
            stop.set()
            thread.join()
