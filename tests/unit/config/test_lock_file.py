"""lock.yaml: read, written, refused."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.config.catalogue import load_runtime
from strixkit.config.lock import Lock, LockedSource, load_lock, locked_commit, rendered, write_lock
from strixkit.config.runtimes import GitRuntime
from strixkit.config.yaml import load
from strixkit.errors import InputError, StrixError

ROOT = Path(__file__).parents[3]
DAY = datetime.date(2026, 6, 29)
COMMIT = "baed43ed9914b4f855afbeb2faec0b97cf0eace0"


def source(ref: str = "main", commit: str = COMMIT, repository: str = "https://example.org/a") -> LockedSource:
    return LockedSource(repository=repository, ref=ref, commit=commit, locked=DAY)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    return tmp_path / "profiles"


def test_the_projects_own_lock_is_as_the_verb_writes_it() -> None:
    assert rendered(load_lock()) == (ROOT / "lock.yaml").read_text()


def test_the_commit_of_a_runtime_or_none() -> None:
    successor, fork = load_runtime("rocmfpx"), load_runtime("rocmfp4")
    assert isinstance(successor, GitRuntime)
    assert isinstance(fork, GitRuntime)
    assert locked_commit(successor) == COMMIT
    assert locked_commit(fork) is None  # its server has not been asked yet


def test_without_a_file_nothing_is_locked(directory: Path) -> None:
    assert load_lock(directory) == Lock()


# Texts that YAML reads as something else where they are not quoted.
ODD = ["1.0", "#x", "no", "null", "2026-01-01", "é", "a'b", 'a"b', "{}", "main", "!"]
REFS = st.tuples(st.sampled_from(ODD), st.from_regex(r"[0-9a-f]{40}", fullmatch=True))


@given(st.lists(REFS, unique_by=lambda item: item[0]))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, items: list[tuple[str, str]]) -> None:
    wanted = Lock(sources=tuple(source(ref, commit) for ref, commit in items))
    path = tmp_path_factory.mktemp("lock")
    (path / "profiles").mkdir()
    write_lock(wanted, path / "profiles")
    found = load_lock(path / "profiles")
    assert {*found.sources} == {*wanted.sources}
    assert rendered(found) == rendered(wanted) == (path / "lock.yaml").read_text()
    assert [child.name for child in path.iterdir() if child.is_file()] == ["lock.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sources:", "source:", "lock.yaml:3: source: unknown key; did you mean 'sources'?"),
        (
            f'"{COMMIT}"',
            COMMIT[:7],
            "lock.yaml:6: sources[0].commit: found 'baed43e', wanted a commit of 40 lower-case",
        ),
        (f'"{COMMIT}"', "1" * 40, "lock.yaml:6: sources[0].commit: found 111"),
        ('"main"', '"--main"', "lock.yaml:5: sources[0].ref: found '--main', wanted the name of a branch"),
        ("https:", "ext:", "lock.yaml:4: sources[0].repository: found 'ext://example.org/a', wanted a URL of https"),
        (
            "2026-06-29",
            "yesterday",
            "lock.yaml:7: sources[0].locked: found 'yesterday', wanted a date as in 2026-06-29",
        ),
        ("    locked: 2026-06-29\n", "", "lock.yaml:4: sources[0].locked: missing, and it is required"),
        ("    ref:", "<<<<<<< HEAD\n    ref:", "lock.yaml:6:8: while scanning"),
        (
            "sources:\n",
            f'sources:\n  - {{repository: "https://example.org/a", ref: main, commit: {COMMIT}, locked: 2026-06-29}}\n',
            "main of https://example.org/a is locked twice: run invoke lock, or delete one",
        ),
    ],
)
def test_faults(directory: Path, old: str, new: str, expected: str) -> None:
    text = rendered(Lock(sources=(source(),)))
    assert old in text
    (directory.parent / "lock.yaml").write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_lock(directory)
    assert expected in str(caught.value)


def test_the_place_is_beside_the_profiles(directory: Path) -> None:
    write_lock(Lock(sources=(source(),)), directory)
    assert load(directory.parent / "lock.yaml").values["sources"][0]["commit"] == COMMIT
    assert (directory.parent / "lock.yaml").stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_file_and_nothing_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(Lock(sources=(source(),)), directory)
    before = (directory.parent / "lock.yaml").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("strixkit.files.os.fsync", full)
    with pytest.raises(StrixError, match=r"lock\.yaml cannot be written: No space left on device; it is as it was"):
        write_lock(Lock(), directory)
    assert (directory.parent / "lock.yaml").read_bytes() == before
    assert {path.name for path in directory.parent.iterdir()} == {"lock.yaml", "profiles"}
