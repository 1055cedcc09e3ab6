"""`git ls-remote` against real servers on loopback: what is there, what is not, and what must not happen."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strixkit.sources import git
from strixkit.sources.git import GitError, Remote, Resolved, ask, resolve
from tests.gitserver import GitServer, Repository, isolate, make_repository, serving


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git configuration of the test's own, and no proxy."""
    return isolate(monkeypatch, tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "srv/fork.git")


@pytest.fixture
def server(repository: Repository) -> Iterator[GitServer]:
    with serving(repository.path.parent) as running:
        yield running


def refused(url: str, seconds: float = 60) -> GitError:
    with pytest.raises(GitError) as caught:
        ask(url, seconds=seconds)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_branches_and_tags_over_http_and_file(repository: Repository, server: GitServer) -> None:
    first = repository.commit("main", "one")
    second = repository.commit("topic/a", "two")
    repository.git("tag", "plain", first)
    repository.git("tag", "-a", "-m", "annotated", "v1", second)
    repository.git("update-ref", "refs/pull/1/head", second)
    wanted = Remote({"main": first, "topic/a": second}, {"plain": first, "v1": second})
    assert ask(f"{server.url}/fork.git") == wanted
    assert ask(f"file://{repository.path}") == wanted
    assert repository.git("rev-parse", "v1") != second  # it is an object of its own
    assert resolve(wanted, "u", "v1") == Resolved("tag", second)
    assert resolve(wanted, "u", "topic/a") == Resolved("branch", second)
    assert resolve(wanted, "u", "refs/heads/topic/a") == Resolved("branch", second)


def test_a_tag_of_a_tag_is_its_commit(repository: Repository) -> None:
    commit = repository.commit("main", "one")
    repository.git("tag", "-a", "-m", "inner", "inner", commit)
    repository.git("tag", "-a", "-m", "outer", "outer", "inner")
    assert ask(f"file://{repository.path}").tags == {"inner": commit, "outer": commit}


def test_a_name_that_is_a_branch_and_a_tag(repository: Repository) -> None:
    old, new = repository.commit("main", "one"), repository.commit("main", "two")
    repository.git("tag", "main", old)
    remote = ask(f"file://{repository.path}")
    with pytest.raises(GitError, match="main is a branch and a tag of U") as caught:
        resolve(remote, "U", "main")
    assert caught.value.hint == "write ref: refs/heads/main or ref: refs/tags/main"
    assert resolve(remote, "U", "refs/heads/main") == Resolved("branch", new)
    assert resolve(remote, "U", "refs/tags/main") == Resolved("tag", old)


def test_a_ref_that_is_gone_is_told_with_what_there_is(repository: Repository) -> None:
    repository.commit("mtp-rocmfp4-strix", "one")
    url = f"file://{repository.path}"
    with pytest.raises(GitError, match=r"no branch or tag 'mtp-rocmfp4-stirx'; did you mean 'mtp-rocmfp4-strix'\?"):
        resolve(ask(url), url, "mtp-rocmfp4-stirx")
    with pytest.raises(GitError, match=r"no branch or tag 'xyz' \(there are 'mtp-rocmfp4-strix'\)") as caught:
        resolve(ask(url), url, "xyz")
    assert f"git ls-remote --heads --tags -- {url}" in str(caught.value.hint)


def test_a_repository_without_a_branch(repository: Repository) -> None:
    remote = ask(f"file://{repository.path}")
    assert remote == Remote({}, {})
    with pytest.raises(GitError, match=r"no branch or tag 'main' \(it has none at all: is it the right URL\?\)"):
        resolve(remote, "U", "main")


def test_unknown_repositories(server: GitServer, tmp_path: Path) -> None:
    assert "nothing.git is no repository: " in refused(f"{server.url}/nothing.git").message
    assert "nothing is no repository: " in refused(f"file://{tmp_path}/nothing").message
    page = ask(f"{server.url}/page/x")  # to git, any page is a repository of an old kind
    assert page == Remote({}, {})


def test_nobody_listens(server: GitServer, repository: Repository) -> None:
    with serving(repository.path) as gone:
        url = f"{gone.url}/fork.git"
    error = refused(url)
    assert f"{url} cannot be reached: " in error.message
    assert error.hint == f"check the network and the proxy; by hand: git ls-remote -- {url}"


def test_a_name_that_no_resolver_knows() -> None:
    """`.invalid` is nobody's (RFC 2606)."""
    assert "cannot be reached: " in refused("https://nowhere.invalid/x/y").message


def test_a_server_that_hangs_is_given_up(server: GitServer) -> None:
    error = refused(f"{server.url}/hang/fork.git", seconds=0.5)
    assert error.message == f"{server.url}/hang/fork.git gave no whole answer within 0.5 s"


def test_a_server_without_an_end_is_given_up(server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """git itself reads all before it prints: the time limit is what ends that; here its memory stays small by it."""
    monkeypatch.setattr(git, "MOST_BYTES", 1 << 20)
    assert "gave no whole answer within" in refused(f"{server.url}/flood/fork.git", seconds=1).message


def test_more_refs_than_anybody_has(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository.commit("main", "one")
    for number in range(20):
        repository.git("update-ref", f"refs/heads/{'x' * 100}{number}", commit)
    monkeypatch.setattr(git, "MOST_BYTES", 1000)
    assert "sends more than" in refused(f"file://{repository.path}").message


def test_a_login_is_never_asked_for(
    server: GitServer, own_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the user's credential helper nor any of three askpass programs is started."""
    asked = tmp_path / "asked"
    helper = tmp_path / "helper"
    helper.write_text(f'#!/bin/sh\necho "$0 $@" >> {asked}\necho username=u\necho password=p\n')
    helper.chmod(0o755)
    own_settings.write_text(
        f'[credential]\n helper = {helper}\n[credential "{server.url}"]\n helper = {helper}\n'
        f"[core]\n askPass = {helper}\n"
    )
    for name in ("GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(name, str(helper))
    monkeypatch.setenv("DISPLAY", ":0")
    error = refused(f"{server.url}/login/fork.git")
    assert "wants a login, or does not exist" in error.message
    assert "read by ssh://, with a key" in str(error.hint)
    assert not asked.exists()
    assert [password for _, password in server.seen] == [False]


def test_a_new_name_on_the_same_server_is_followed_and_told(repository: Repository, server: GitServer) -> None:
    commit = repository.commit("main", "one")
    found = ask(f"{server.url}/moved/fork.git")
    assert found.branches == {"main": commit}
    assert found.redirected.rstrip("/") == f"{server.url}/fork.git"


def test_another_server_is_not_followed(repository: Repository, server: GitServer) -> None:
    repository.commit("main", "one")
    with serving(repository.path.parent, other=server.url) as first:
        error = refused(f"{first.url}/away/fork.git")
    assert f"is redirected to another server, '{server.url}/fork.git" in error.message
    assert error.hint == "if that is meant, write it as repository: in its file"


def test_odd_characters_reach_git_as_they_are(tmp_path: Path) -> None:
    """No shell, and no word of it is an option."""
    odd = make_repository(tmp_path / "--upload-pack=touch x;$(touch y)'\"&|é*")
    commit = odd.commit("main", "one")
    with serving(tmp_path) as running:
        for start in (f"file://{tmp_path}", running.url):
            url = f"{start}/--upload-pack=touch%20x;$(touch%20y)'%22&|%C3%A9*"
            assert ask(url).branches == {"main": commit}
    assert not list(Path().glob("[xy]"))


def test_no_other_way_than_these_four(own_settings: Path, tmp_path: Path) -> None:
    """Not even where the user's configuration makes one of them another: ext:: would start a program."""
    own_settings.write_text(f'[url "ext::sh -c touch% {tmp_path}/done% #"]\n insteadOf = https://example.invalid/\n')
    assert "transport 'ext' not allowed" in refused("https://example.invalid/x").message
    assert not (tmp_path / "done").exists()


def test_the_repository_of_a_hook_is_not_asked(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit("main", "one")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "no-repository"))
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("LANGUAGE", "de")
    assert ask(f"file://{repository.path}").branches == {"main": commit}
    assert "trace" not in refused(f"file://{tmp_path}/nothing").message


def test_git_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused("file:///x").message == "git is not on this machine"


def test_ssh_does_not_ask_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: GitServer) -> None:
    """A real ssh to a port that speaks HTTP; and one that would ask for a password finds no terminal."""
    port = server.url.rpartition(":")[2]
    assert "cannot be read: " in refused(f"ssh://git@127.0.0.1:{port}/x").message
    fake = tmp_path / "ssh"
    fake.write_text("#!/bin/sh\n(: < /dev/tty) || echo 'Permission denied (publickey,password).' >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(fake))
    error = refused("ssh://git@host/x")
    assert "does not let us in: " in error.message
    assert "Permission denied (publickey,password)" in error.message


def test_a_certificate_of_nobody(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository.commit("main", "one")
    certificate = _certificate(tmp_path)
    with serving(repository.path.parent, certificate=certificate) as server:
        assert "has no certificate that is trusted here: " in refused(f"{server.url}/fork.git").message
        monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate[0]))
        assert ask(f"{server.url}/fork.git").branches == {"main": commit}


def test_answers_that_are_none() -> None:
    for answer, words in (
        (b"abc\n", "no commits and names"),
        (b"f" * 64 + b"\trefs/heads/main\n", "commits of SHA-256"),
    ):
        with pytest.raises(GitError, match=words):
            git._remote("U", answer, "")


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    path = tmp_path / "new.git"
    path.mkdir()
    repository = Repository(path)
    repository.git("init", "-q", "--bare", "-b", "main", "--object-format=sha256")
    repository.commit("main", "one")
    assert "commits of SHA-256" in refused(f"file://{path}").message


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
