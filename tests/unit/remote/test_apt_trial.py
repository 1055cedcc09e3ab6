"""The trial of a source by the real apt of this machine, which it reads and changes nothing of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from strixkit.remote.agent import apt_faults, repository
from strixkit.resources.apt_repository import AptRepository
from tests.box.aptrepo import SOON, THEN, TOOLS, Keys, Server

NEEDED = ("apt-get", *TOOLS)
pytestmark = pytest.mark.skipif(any(shutil.which(tool) is None for tool in NEEDED), reason=f"needs {', '.join(NEEDED)}")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    keys = Keys(tmp_path_factory.mktemp("keys") / "gnupg")
    keys.make("amd")
    keys.make("other")
    yield keys
    keys.end()


@pytest.fixture(autouse=True)
def _trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "TRIAL", str(tmp_path / "trial"))


def attempt(folder: Path, key: bytes, suite: str = "noble", uri: str = "") -> str:
    """What is said of the repository in the folder; empty when it works."""
    wanted = AptRepository(
        name="strixkit-rocm",
        uri="https://example.org/",
        suites=(suite,),
        components=("main",),
        key_url="https://example.org/key",
        fingerprint="A" * 40,
        origin="x",
    )
    # apt reads files as well; a wish may not name them.
    source = wanted.source.replace("https://example.org/", uri or f"file:{folder}")
    try:
        repository.try_alone(source, wanted.keyring, repository.openpgp.binary(key), wanted.key_url)
    except RuntimeError as error:
        return str(error)
    return ""


def test_the_verdicts_of_the_real_apt(keys: Keys, tmp_path: Path) -> None:
    then = keys.make("old", then=THEN)
    server = Server(tmp_path, 0)
    server.publish("good", "noble", "x", [], lambda text: keys.sign("amd", text))
    server.publish("expired", "noble", "x", [], lambda text: keys.sign("old", text))
    keys.expire(then, then=SOON)
    amd, other, old = (keys.public(name) for name in ("amd", "other", "old"))
    assert attempt(tmp_path / "good", amd) == ""
    found = {
        "another key": attempt(tmp_path / "good", other),
        "has expired": attempt(tmp_path / "expired", old),
        "no suite resolute": attempt(tmp_path / "good", amd, suite="resolute"),
        "cannot be reached": attempt(tmp_path, amd, uri="http://127.0.0.1:9"),
    }
    for words, said in found.items():
        assert words in said.splitlines()[0], said
        assert "\n  next: " in said
    assert not (tmp_path / "trial").exists()


@pytest.mark.parametrize(
    ("said", "means"),
    [
        # apt 2.7 with gpgv, as Ubuntu 24.04 has it; then apt 3 with sqv.
        (
            "W: GPG error: https://x noble InRelease: The following signatures were invalid: EXPKEYSIG 9386 AMD",
            "expired",
        ),
        ("W: GPG error: ... public key is not available: NO_PUBKEY 9386B48A1A693C5C", "another key"),
        ("W: ... sqv returned an error code (1), error message is: Missing key CA8BB, which is needed", "another key"),
        ("  The primary key is not live\n  because: Expired on 2025-01-01T00:00:00Z", "expired"),
        ("Err:1 https://x noble InRelease\n  Temporary failure resolving 'x'", "cannot be reached"),
        ("E: something new", "apt cannot use it"),
    ],
)
def test_what_apt_says(said: str, means: str) -> None:
    source = "Types: deb\nURIs: https://x/\nSuites: noble\n"
    explained = apt_faults.explained(said, source, "https://x/key")
    assert means in explained.splitlines()[0]
