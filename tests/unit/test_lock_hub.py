"""`invoke lock` and the hub: what models name, against a hub on loopback."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strixkit.config.catalogue import hub_files, load_model
from strixkit.config.hub import HubFile
from strixkit.config.lock import Lock, LockedFile, LockedRepository, LockedSource, load_lock, write_lock
from tests import hubserver
from tests.scriptedhub import ScriptedHub, answer, scripted_hub

ROOT = Path(__file__).parents[2]
INVOKE = Path(sys.executable).parent / "invoke"
LONG_AGO = datetime.date(2026, 1, 2)
REPO, ONE, TWO = "owner/name", "1" * 40, "2" * 40
SHA, OTHER = "a" * 64, "b" * 64
MODEL = """\
description: a model
repo: {repo}
default_variant: small
variants:
  small: {{file: {file}, note: small}}
  own: {{file: own.gguf, note: elsewhere, source: {{box: /srv/own.gguf}}}}
"""


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    with scripted_hub() as running:
        yield running


class Checkout:
    """The project's code with models of the test's own, and no runtime that is built."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder, self.profiles = folder, folder / "profiles"
        shutil.copytree(ROOT / "strixkit", folder / "strixkit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tasks.py", folder)
        (self.profiles / "runtimes").mkdir(parents=True)
        (self.profiles / "models").mkdir()
        shutil.copy(ROOT / "profiles/runtimes/debian.yaml", self.profiles / "runtimes")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self.environment = {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hf"), "no_proxy": "127.0.0.1"}

    def model(self, name: str, file: str, repo: str = REPO) -> None:
        (self.profiles / f"models/{name}.yaml").write_text(MODEL.format(repo=repo, file=file))

    def locked(self, repo: str, commit: str, *files: LockedFile) -> None:
        before = load_lock(self.profiles)
        entry = LockedRepository(repo=repo, ref="main", commit=commit, locked=LONG_AGO, files=files)
        write_lock(Lock(sources=before.sources, hub=(*before.hub, entry)), self.profiles)

    def invoke(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [INVOKE, "lock", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def checkout(tmp_path: Path, hub: ScriptedHub) -> Checkout:
    return Checkout(tmp_path / "checkout", hub.url)


def file(name: str, size: int = 1000, sha256: str = SHA) -> LockedFile:
    return LockedFile(file=name, size_bytes=size, sha256=sha256)


def days() -> str:
    return f"({(datetime.date.today() - LONG_AGO).days} days ago)"


def test_every_hub_file_of_a_model_is_found(checkout: Checkout) -> None:
    (checkout.profiles / "models/m.yaml").write_text(
        "description: a model\nrepo: owner/name\ndefault_variant: one\nvariants:\n"
        "  one: {file: one.gguf, note: x}\n"
        "  two: {file: two.gguf, note: x, source: {hub: {repo: datasets/o/d, ref: v1, file: sub/two.gguf}}}\n"
        "  three: {file: three.gguf, note: x, source: {url: 'https://host/three.gguf'}}\n"
    )
    assert hub_files(load_model("m", checkout.profiles)) == [
        HubFile(repo="owner/name", file="one.gguf"),
        HubFile(repo="datasets/o/d", ref="v1", file="sub/two.gguf"),
    ]


def test_first_lock_then_nothing_then_a_changed_file(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 16_500_000_000, SHA)
    done = checkout.invoke("--check")
    assert (done.returncode, (checkout.folder / "lock.yaml").exists()) == (3, False)
    done = checkout.invoke()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ours  owner/name  main  not locked -> 111111111111  new",
        "  m.gguf  16,500,000,000 bytes  sha256 aaaaaaaaaaaa  new",
        "lock.yaml: written",
    ]
    today = datetime.date.today()
    assert load_lock(checkout.profiles).hub == (
        LockedRepository(repo=REPO, ref="main", commit=ONE, locked=today, files=(file("m.gguf", 16_500_000_000),)),
    )
    for words in ((), ("--check",)):
        done = checkout.invoke(*words)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "lock.yaml: unchanged")

    hub.revision(REPO, "main", TWO, "m.gguf")
    hub.large(REPO, TWO, "m.gguf", 16_500_000_001, OTHER)
    done = checkout.invoke("--check")
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        f"ours  owner/name  main  111111111111 -> 222222222222  moved, locked {today} (0 days ago)",
        "  m.gguf  16,500,000,001 bytes  sha256 bbbbbbbbbbbb  "
        "changed: locked are 16,500,000,000 bytes, sha256 aaaaaaaaaaaa",
        "lock.yaml: as it was; invoke lock would change it",
    ]
    assert checkout.invoke().returncode == 0
    assert load_lock(checkout.profiles).file(HubFile(repo=REPO, file="m.gguf")) == (
        TWO,
        file("m.gguf", 16_500_000_001, OTHER),
    )


def test_other_bytes_at_the_same_commit(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    checkout.locked(REPO, ONE, file("m.gguf"), file("gone.gguf"))
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 1000, OTHER)
    before = (checkout.folder / "lock.yaml").read_text()
    done = checkout.invoke()
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"ours  owner/name  main  111111111111  not resolved: stays as it is, locked 2026-01-02 {days()}",
        "not resolved: ours: owner/name: m.gguf has OTHER bytes at the SAME commit 111111111111: "
        "1,000 bytes, sha256 bbbbbbbbbbbb; locked are 1,000 bytes, sha256 aaaaaaaaaaaa",
        "  next: is HF_ENDPOINT the right one? If the lock is wrong, delete owner/name in it; "
        "then invoke lock --only ours",
        "lock.yaml: unchanged",
    ]
    assert (checkout.folder / "lock.yaml").read_text() == before


def test_another_file_at_the_same_commit(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    checkout.locked(REPO, ONE, file("gone.gguf"))
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 1000, OTHER)
    done = checkout.invoke("--check")
    assert done.returncode == 3
    assert f"ours  owner/name  main  111111111111  changed, locked 2026-01-02 {days()}" in done.stdout
    assert "no model names it any more" in done.stdout


def test_each_row_names_its_repository_and_each_error_a_command(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    text = (checkout.profiles / "models/ours.yaml").read_text()
    source = "source: {hub: {repo: datasets/o/d, ref: v1, file: two.gguf}}"
    (checkout.profiles / "models/ours.yaml").write_text(f"{text}  two: {{file: two.gguf, note: x, {source}}}\n")
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 1000, SHA)
    hub.revision("o/d", "v1", TWO, "two.gguf", api="datasets")
    hub.large("datasets/o/d", TWO, "two.gguf", 1000, OTHER, Location="ftp://elsewhere/", X_Linked_Etag="")
    assert checkout.invoke().stdout.splitlines() == [
        "ours  datasets/o/d  v1    not locked -> 222222222222  not resolved: stays not locked",
        "ours  owner/name    main  not locked -> 111111111111  new",
        "  m.gguf  1,000 bytes  sha256 aaaaaaaaaaaa  new",
        f"not resolved: ours: {hub.url}/datasets/o/d/resolve/{TWO}/two.gguf redirects from http to 'ftp': not followed",
        "  next: invoke lock --only ours, later",
        "lock.yaml: written",
    ]


def test_the_same_files_at_another_commit(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    checkout.locked(REPO, ONE, file("m.gguf"))
    hub.revision(REPO, "main", TWO, "m.gguf")
    hub.large(REPO, TWO, "m.gguf", 1000, SHA)
    done = checkout.invoke()
    assert "moved, with the same files" in done.stdout
    assert load_lock(checkout.profiles).hub[0].commit == TWO


def test_one_file_that_is_not_there_keeps_the_whole_entry(checkout: Checkout, hub: ScriptedHub) -> None:
    """One commit is for all files: with one unknown, none is taken from the new one."""
    checkout.model("ours", "m.gguf")
    checkout.model("theirs", "t.gguf")
    checkout.locked(REPO, ONE, file("m.gguf"), file("t.gguf"))
    hub.revision(REPO, "main", TWO, "m.gguf", "q4/t.gguf")
    hub.large(REPO, TWO, "m.gguf", 1000, OTHER)
    done = checkout.invoke()
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        *(
            f"{name}  owner/name  main  111111111111 -> 222222222222  "
            f"not resolved: stays as it is, locked 2026-01-02 {days()}"
            for name in ("ours  ", "theirs")
        ),
        "not resolved: ours, theirs: owner/name has no t.gguf at 222222222222; it is there as 'q4/t.gguf'",
        "  next: in the model's file: source: {hub: {repo: owner/name, file: 'q4/t.gguf'}}; "
        "then invoke lock --only ours,theirs",
        "lock.yaml: unchanged",
    ]


def test_only_takes_models_and_keeps_one_commit(checkout: Checkout, hub: ScriptedHub) -> None:
    """A model of the same repository that is not asked for is locked anew too: the commit is one for both."""
    checkout.model("ours", "m.gguf")
    checkout.model("theirs", "t.gguf")
    checkout.model("other", "o.gguf", repo="owner/other")
    checkout.locked(REPO, ONE, file("m.gguf"), file("t.gguf"))
    checkout.locked("owner/unused", ONE, file("u.gguf"))
    hub.revision(REPO, "main", TWO, "m.gguf", "t.gguf")
    for name in ("m.gguf", "t.gguf"):
        hub.large(REPO, TWO, name, 1000, OTHER)
    done = checkout.invoke("--only", "ours")
    assert done.returncode == 0, done.stdout
    assert not [path for _, path, _ in hub.seen if "other" in path]
    locked = load_lock(checkout.profiles)
    assert {(item.repo, item.commit) for item in locked.hub} == {(REPO, TWO), ("owner/unused", ONE)}
    assert {item.sha256 for item in locked.hub[0].files} == {OTHER}
    assert checkout.invoke("--only", "our").returncode == 2


def test_what_no_model_names_any_more_goes(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    checkout.locked("owner/unused", ONE, file("u.gguf"))
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 1000, SHA)
    done = checkout.invoke()
    assert "no model names main of owner/unused any more" in done.stdout
    assert [item.repo for item in load_lock(checkout.profiles).hub] == [REPO]


def test_git_and_hub_keep_each_others_entries(checkout: Checkout, hub: ScriptedHub) -> None:
    source = LockedSource(repository="https://example.invalid/x", ref="main", commit=ONE, locked=LONG_AGO)
    write_lock(Lock(sources=(source,)), checkout.profiles)
    checkout.model("ours", "m.gguf")
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 1000, SHA)
    assert checkout.invoke("--only", "ours").returncode == 0
    assert load_lock(checkout.profiles).sources == (source,)


def test_json(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.model("ours", "m.gguf")
    checkout.model("secret", "s.gguf", repo="owner/gated")
    hub.revision(REPO, "main", ONE, "m.gguf")
    hub.large(REPO, ONE, "m.gguf", 1000, SHA)
    hub.answers["GET", "/api/models/owner/gated/revision/main"] = answer(401, {"X-Error-Code": "GatedRepo"})
    done = checkout.invoke("--json", "--check")
    assert (done.returncode, done.stderr) == (1, "")
    gated, ours = json.loads(done.stdout)["hub"]
    assert gated["state"] == "unresolved"
    assert "owner/gated is gated" in gated["errors"][0]["error"]
    new = {"file": "m.gguf", "size_bytes": 1000, "sha256": SHA}
    assert ours == {
        "models": ["ours"],
        "repo": REPO,
        "ref": "main",
        "state": "new",
        "old": None,
        "locked": None,
        "days": None,
        "new": ONE,
        "moved": None,
        "files": [new],
        "changes": [{"old": None, "new": new}],
        "errors": [],
    }


def test_a_token_is_sent_and_never_shown(checkout: Checkout, hub: ScriptedHub) -> None:
    checkout.environment["HF_TOKEN"] = "hf_verysecret"
    checkout.model("ours", "m.gguf")
    done = checkout.invoke()
    assert done.returncode == 1
    assert {sent for *_, sent in hub.seen} == {"Bearer hf_verysecret"}
    assert "verysecret" not in done.stdout + done.stderr


def test_real_files_of_a_hub(tmp_path: Path) -> None:
    """A large file, a small one that git has itself, a gated repository, and one with another name now."""
    data = {"m.gguf": os.urandom(3000), "open/name/calibration.txt": b"words\n" * 100, "o.gguf": b"other"}
    for name in ("open/name", "gated/name", "new/name"):
        (tmp_path / "hub" / name).mkdir(parents=True)
    (tmp_path / "hub/open/name/m.gguf").write_bytes(data["m.gguf"])
    (tmp_path / "hub/open/name/calibration.txt").write_bytes(data["open/name/calibration.txt"])
    (tmp_path / "hub/gated/name/m.gguf").write_bytes(data["m.gguf"])
    (tmp_path / "hub/new/name/m.gguf").write_bytes(data["o.gguf"])
    with hubserver.serving(tmp_path / "hub") as hub:
        hub.gated["gated/name"] = "hf_opens"
        hub.moved["old/name"] = "new/name"
        checkout = Checkout(tmp_path / "checkout", hub.url)
        checkout.model("gated", "m.gguf", repo="gated/name")
        checkout.model("moved", "m.gguf", repo="old/name")
        checkout.model("open", "m.gguf", repo="open/name")
        checkout.model("text", "calibration.txt", repo="open/name")
        done = checkout.invoke()
        assert done.returncode == 1
        assert "not resolved: gated: gated/name is gated: its owner wants terms accepted" in done.stdout
        assert "note: old/name has moved to new/name: write that as repo: in its file" in done.stdout
        checkout.environment["HF_TOKEN"] = "hf_opens"
        assert checkout.invoke().returncode == 0
        assert checkout.invoke("--check").returncode == 0
        lock = load_lock(checkout.profiles)
        for repo, name, content, at in [
            ("open/name", "m.gguf", data["m.gguf"], "open/name"),
            ("open/name", "calibration.txt", data["open/name/calibration.txt"], "open/name"),
            ("gated/name", "m.gguf", data["m.gguf"], "gated/name"),
            ("old/name", "m.gguf", data["o.gguf"], "new/name"),
        ]:
            sha256 = hashlib.sha256(content).hexdigest()
            found = lock.file(HubFile(repo=repo, file=name))
            assert found == (hub.commit(at), file(name, len(content), sha256))
        (tmp_path / "hub/open/name/m.gguf").write_bytes(os.urandom(3001))
        done = checkout.invoke("--check", "--only", "open")
        assert done.returncode == 3
        assert "3,001 bytes" in done.stdout
