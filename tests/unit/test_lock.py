"""`invoke lock` as a user types it, in a checkout of the test's own, against a real git server on loopback."""

from __future__ import annotations

import datetime
import errno
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strixkit.config.lock import Lock, LockedSource, load_lock, write_lock
from strixkit.fleet.lock import lock
from tests.gitserver import GitServer, Repository, isolate, make_repository, serving

ROOT = Path(__file__).parents[2]
INVOKE = Path(sys.executable).parent / "invoke"
LONG_AGO = datetime.date(2026, 1, 2)


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "srv/fork.git")


@pytest.fixture
def server(repository: Repository) -> Iterator[GitServer]:
    with serving(repository.path.parent) as running:
        yield running


class Checkout:
    """The project's code with runtimes of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "strixkit", folder / "strixkit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tasks.py", folder)
        (folder / "profiles/runtimes").mkdir(parents=True)
        shutil.copy(ROOT / "profiles/runtimes/debian.yaml", folder / "profiles/runtimes")

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles"

    @property
    def lock(self) -> Path:
        return self.folder / "lock.yaml"

    def runtime(self, name: str, repository: str, ref: str) -> None:
        values = {"repository": json.dumps(repository), "ref": json.dumps(ref), "recorded": "debian"}
        lines = (ROOT / "profiles/runtimes/llama.cpp.yaml").read_text().splitlines()
        keys = [line.partition(":")[0] for line in lines]
        text = [f"{key}: {values[key]}" if key in values else line for key, line in zip(keys, lines, strict=True)]
        (self.profiles / f"runtimes/{name}.yaml").write_text("\n".join(text) + "\n")

    def locked(self, repository: str, ref: str, commit: str, day: datetime.date = LONG_AGO) -> None:
        sources = load_lock(self.profiles).sources
        entry = LockedSource(repository=repository, ref=ref, commit=commit, locked=day)
        write_lock(Lock(sources=(*sources, entry)), self.profiles)

    def invoke(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [INVOKE, "lock", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def days() -> str:
    return f"({(datetime.date.today() - LONG_AGO).days} days ago)"


def test_first_lock_then_nothing_then_a_moved_branch(
    checkout: Checkout, repository: Repository, server: GitServer
) -> None:
    url = f"{server.url}/fork.git"
    first = repository.commit("main", "one")
    repository.git("tag", "-a", "-m", "release", "v1", first)
    for name, ref in (("ours", "main"), ("ours-vulkan", "main"), ("release", "v1")):
        checkout.runtime(name, url, ref)

    done = checkout.invoke("--check")
    assert (done.returncode, checkout.lock.exists()) == (3, False)
    assert "lock.yaml: as it was; invoke lock would change it" in done.stdout

    done = checkout.invoke()
    assert done.returncode == 0, done.stdout + done.stderr
    short = first[:12]
    assert done.stdout.splitlines() == [
        f"ours         main  not locked -> {short}  new",
        f"ours-vulkan  main  not locked -> {short}  new",
        f"release      v1    not locked -> {short}  new",
        "lock.yaml: written",
    ]
    assert {(item.ref, item.commit) for item in load_lock(checkout.profiles).sources} == {
        ("main", first),
        ("v1", first),
    }

    before = (checkout.lock.read_bytes(), checkout.lock.stat().st_mtime_ns, checkout.lock.stat().st_ino)
    for words in ((), ("--check",)):
        done = checkout.invoke(*words)
        assert done.returncode == 0
        assert done.stdout.splitlines()[-1] == "lock.yaml: unchanged"
    assert before == (checkout.lock.read_bytes(), checkout.lock.stat().st_mtime_ns, checkout.lock.stat().st_ino)

    second = repository.commit("main", "two")
    done = checkout.invoke("--check")
    today = datetime.date.today()
    assert done.returncode == 3
    assert f"ours         main  {short} -> {second[:12]}  moved, locked {today} (0 days ago)" in done.stdout
    assert before[0] == checkout.lock.read_bytes()
    assert checkout.invoke().returncode == 0
    assert {(item.ref, item.commit) for item in load_lock(checkout.profiles).sources} == {
        ("main", second),
        ("v1", first),
    }


def test_each_server_is_asked_once(checkout: Checkout, repository: Repository, server: GitServer) -> None:
    repository.commit("main", "one")
    repository.commit("next", "one")
    for name, ref in (("a", "main"), ("b", "main"), ("c", "next")):
        checkout.runtime(name, f"{server.url}/fork.git", ref)
    assert lock(directory=checkout.profiles).exit_code == 0
    assert [path for path, _ in server.seen].count("/fork.git/info/refs") == 1


def test_what_cannot_be_resolved_stays(checkout: Checkout, repository: Repository, server: GitServer) -> None:
    url, nowhere, old = f"{server.url}/fork.git", f"{server.url}/gone.git", "c" * 40
    new = repository.commit("main", "one")
    repository.commit("nearly", "one")
    checkout.runtime("fine", url, "main")
    checkout.runtime("deleted", url, "neatly")
    checkout.runtime("lost", nowhere, "main")
    for place, ref in ((url, "main"), (url, "neatly"), (nowhere, "main")):
        checkout.locked(place, ref, old)

    done = checkout.invoke()
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"deleted  neatly  cccccccccccc -> ?             not resolved: stays as it is, locked 2026-01-02 {days()}",
        f"fine     main    cccccccccccc -> {new[:12]}  moved, locked 2026-01-02 {days()}",
        f"lost     main    cccccccccccc -> ?             not resolved: stays as it is, locked 2026-01-02 {days()}",
        f"not resolved: deleted: {url} has no branch or tag 'neatly'; did you mean 'nearly'?",
        "  next: correct ref: in its file; all of them: git ls-remote --heads --tags -- "
        f"{url}; then invoke lock --only deleted",
        f"not resolved: lost: {nowhere} is no repository: fatal: repository '{nowhere}/' not found",
        "  next: correct repository: in its file; then invoke lock --only lost",
        "lock.yaml: written",
    ]
    found = {(item.repository, item.ref): (item.commit, item.locked) for item in load_lock(checkout.profiles).sources}
    assert found == {
        (url, "main"): (new, datetime.date.today()),
        (url, "neatly"): (old, LONG_AGO),
        (nowhere, "main"): (old, LONG_AGO),
    }
    assert checkout.invoke("--check").returncode == 1


def test_only(checkout: Checkout, repository: Repository, server: GitServer) -> None:
    """The others' entries are left alone, and their servers are not asked."""
    url, old = f"{server.url}/fork.git", "c" * 40
    new = repository.commit("main", "one")
    checkout.runtime("ours", url, "main")
    checkout.runtime("theirs", f"{server.url}/login/other.git", "main")
    checkout.locked(f"{server.url}/login/other.git", "main", old)
    checkout.locked("https://example.invalid/unused", "main", old)
    assert checkout.invoke("--only", "ours").returncode == 0
    assert {item.commit for item in load_lock(checkout.profiles).sources} == {new, old}
    assert len(load_lock(checkout.profiles).sources) == 3
    assert not [path for path, _ in server.seen if path.startswith("/login")]

    before = checkout.lock.read_bytes()
    done = checkout.invoke("--only", "our")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown runtime or model 'our'; did you mean 'ours'?" in done.stderr
    done = checkout.invoke("--only", "ours,debian", "--json")
    assert done.returncode == 2
    assert "debian is of provider package: it has no commit to lock" in json.loads(done.stdout)["error"]
    assert before == checkout.lock.read_bytes()


def test_what_no_runtime_names_any_more_goes(checkout: Checkout, repository: Repository) -> None:
    url = f"file://{repository.path}"
    repository.commit("next", "one")
    checkout.runtime("ours", url, "next")
    checkout.locked(url, "main", "c" * 40)
    done = checkout.invoke()
    assert done.returncode == 0
    assert f"no runtime names main of {url} any more" in done.stdout
    assert [item.ref for item in load_lock(checkout.profiles).sources] == ["next"]


def test_a_tag_that_moved_is_said_louder(checkout: Checkout, repository: Repository) -> None:
    url = f"file://{repository.path}"
    new = repository.commit("main", "one")
    repository.git("tag", "v1", new)
    checkout.runtime("ours", url, "v1")
    checkout.locked(url, "v1", "c" * 40)
    done = checkout.invoke("--check")
    assert done.returncode == 3
    assert f"cccccccccccc -> {new[:12]}  the TAG has moved, locked" in done.stdout


def test_json_is_all_of_stdout(checkout: Checkout, repository: Repository, server: GitServer) -> None:
    new = repository.commit("main", "one")
    checkout.runtime("ours", f"{server.url}/moved/fork.git", "main")
    checkout.runtime("theirs", f"{server.url}/login/fork.git", "main")
    checkout.locked(f"{server.url}/moved/fork.git", "main", "c" * 40)
    done = checkout.invoke("--json", "--check")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert (found["check"], found["written"], found["unused"]) == (True, False, [])
    ours, theirs = found["sources"]
    assert ours.pop("redirected").rstrip("/") == f"{server.url}/fork.git"
    assert ours == {
        "runtimes": ["ours"],
        "repository": f"{server.url}/moved/fork.git",
        "ref": "main",
        "state": "moved",
        "kind": "branch",
        "old": "c" * 40,
        "locked": "2026-01-02",
        "days": (datetime.date.today() - LONG_AGO).days,
        "new": new,
        "error": None,
        "next": None,
    }
    assert (theirs["state"], theirs["old"], theirs["new"]) == ("unresolved", None, None)
    assert "wants a login" in theirs["error"]


def test_a_new_name_of_a_repository_is_said(checkout: Checkout, repository: Repository, server: GitServer) -> None:
    repository.commit("main", "one")
    checkout.runtime("ours", f"{server.url}/moved/fork.git", "main")
    done = checkout.invoke()
    assert done.returncode == 0
    assert f"note: {server.url}/moved/fork.git has moved to {server.url}/fork.git" in done.stdout


def test_a_server_that_hangs_holds_nobody_else_up(
    checkout: Checkout, repository: Repository, server: GitServer
) -> None:
    new = repository.commit("main", "one")
    checkout.runtime("a-hangs", f"{server.url}/hang/fork.git", "main")
    checkout.runtime("ours", f"{server.url}/fork.git", "main")
    found = lock(directory=checkout.profiles, seconds=0.5)
    assert found.exit_code == 1
    assert [item.commit for item in load_lock(checkout.profiles).sources] == [new]
    assert "gave no whole answer within 0.5 s" in str(found.entries[0].error)


def test_a_terminal_is_not_asked_for_a_password(checkout: Checkout, server: GitServer) -> None:
    """With a terminal to ask on: nothing is printed there but our own lines, and nothing waits."""
    checkout.runtime("theirs", f"{server.url}/login/fork.git", "main")
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.chdir(checkout.folder)
        os.execv(INVOKE, ["invoke", "lock"])
    said = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and select.select([terminal], [], [], deadline - time.monotonic())[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError as error:
            assert error.errno == errno.EIO  # the other end is closed
            break
        said += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    os.close(terminal)
    assert b"wants a login, or does not exist" in said
    assert b"Username for" not in said.replace(b"could not read Username for", b"")


def test_no_runtime_from_git(checkout: Checkout) -> None:
    done = checkout.invoke()
    assert (done.returncode, done.stdout) == (0, "no runtime of profiles/runtimes/ is built from git: unchanged\n")


def test_a_bad_lock_is_not_overwritten(checkout: Checkout, repository: Repository) -> None:
    repository.commit("main", "one")
    checkout.runtime("ours", f"file://{repository.path}", "main")
    checkout.lock.write_text("sources: 3\n")
    done = checkout.invoke()
    assert (done.returncode, done.stdout) == (2, "")
    assert "lock.yaml:1: sources: found 3, wanted a list" in done.stderr
    assert checkout.lock.read_text() == "sources: 3\n"
