"""Sources of builds: what an archive may hold, what a lock may name, what git says; what is kept after a power cut."""

from __future__ import annotations

import collections
import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from strixkit.config.repository import RefName
from strixkit.remote.agent import detached
from strixkit.remote.agent.build import checkout, compile, durable, fetch, unit, work
from strixkit.remote.agent.build.errors import BuildError


def tar(*entries: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(b"x" * entry.size))
    return buffer.getvalue()


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, mode: int = 0o644, link: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.linkname = kind, size, mode, link
    return info


def test_an_archive_of_plain_files(tmp_path: Path) -> None:
    data = tar(entry("./a/b.sh", size=3, mode=0o4777), entry("c", size=1), entry("d", tarfile.DIRTYPE))
    checkout.unpack(data, str(tmp_path / "source"))
    assert (tmp_path / "source/a/b.sh").read_bytes() == b"xxx"
    assert [(tmp_path / "source" / name).stat().st_mode & 0o7777 for name in ("a/b.sh", "c")] == [0o755, 0o644]
    assert (tmp_path / "source/d").is_dir()


@pytest.mark.parametrize(
    "bad",
    [
        entry("/etc/passwd", size=1),
        entry("../up", size=1),
        entry("a/../../up", size=1),
        entry("link", tarfile.SYMTYPE, link="/etc"),
        entry("hard", tarfile.LNKTYPE, link="a"),
        entry("pipe", tarfile.FIFOTYPE),
        entry("device", tarfile.CHRTYPE),
    ],
    ids=lambda bad: bad.name,
)
def test_an_archive_that_leads_out_of_itself(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with pytest.raises(BuildError, match="no plain file"):
        checkout.unpack(tar(entry("a", size=1), bad), str(tmp_path / "source"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_an_archive_that_would_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "MOST_BYTES", 10)
    with pytest.raises(BuildError, match="more than"):
        checkout.unpack(tar(entry("a", size=6), entry("b", size=6)), str(tmp_path / "source"))


@pytest.mark.parametrize(
    "url",
    [
        *("https://github.com/ggml-org/llama.cpp", "http://198.18.0.1:8000/toy/.git", "ssh://git@host:22/a.git"),
        *("file:///srv/a.git", "git@github.com:charlie12345/ROCmFPX.git"),
    ],
)
def test_repositories(url: str) -> None:
    assert fetch.URL.fullmatch(url)


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "--upload-pack=x", "-u", "/srv/a.git", "https://a b", "fd::3", "https://a\nb", "-o@x:y", ""],
)
def test_what_is_no_repository(url: str) -> None:
    assert not fetch.URL.fullmatch(url)


def test_what_git_says() -> None:
    commit, other = "a" * 40, "b" * 40
    lines = ["warning: redirecting", f"{commit}\trefs/heads/main", f"{other}\trefs/tags/v1^{{}}"]
    assert fetch.refs(lines) == {"refs/heads/main": commit, "refs/tags/v1^{}": other}
    assert fetch.said(["fatal: unable to access", "a hint"]) == "fatal: unable to access"
    assert fetch.said([]) == "git said nothing"


@pytest.mark.parametrize("ref", ["main", "v1.0", "feature#1", "größe", "refs/heads/main", "refs/tags/v1"])
def test_the_refs_of_the_lock_are_refs_on_the_box(ref: str) -> None:
    TypeAdapter(RefName).validate_python(ref)
    assert fetch.REF.fullmatch(ref)


@pytest.mark.parametrize("ref", ["-x", "/x", "a b", "a:b", "a..b", "@{x", "a*", "a\n", ""])
def test_what_is_no_ref(ref: str) -> None:
    assert not fetch.REF.fullmatch(ref)


def test_a_ref_that_is_written_in_full() -> None:
    assert fetch.names_of("main") == ["refs/heads/main", "refs/tags/main", "refs/tags/main^{}"]
    assert fetch.names_of("refs/heads/main") == ["refs/heads/main"]
    assert fetch.names_of("refs/tags/v1") == ["refs/tags/v1", "refs/tags/v1^{}"]


def test_another_server_is_not_followed() -> None:
    url = "https://example.org/a.git"
    assert fetch.redirected(url, ["From https://example.org/b.git"]) == url
    moved = ["warning: redirecting to https://example.org/b.git/", f"{'a' * 40}\trefs/heads/main"]
    assert fetch.redirected(url, moved) == "https://example.org/b.git/"
    for other in ("https://example.net/a.git", "http://example.org/a.git", "https://example.org:8443/a.git"):
        with pytest.raises(BuildError, match=r"is redirected to another server, '.*', and is not followed\n  next: "):
            fetch.redirected(url, [f"warning: redirecting to {other}"])


@pytest.mark.parametrize(
    "line",
    [
        "[ 3/278] Building CXX object a.o",
        "[12/278] Linking",
        "[ 57%] Building CXX object b.o",
        "Receiving objects:  7% (1/9)",
    ],
)
def test_progress_is_said(line: str) -> None:
    lines: collections.deque[str] = collections.deque()
    left, said = detached._take(f"first\n{line}\nlast\nhalf a li".encode(), lines, unit._counted)
    assert (said, list(lines), left) == (line, ["first", line, "last"], b"half a li")


def test_only_the_last_progress_of_a_piece_is_said() -> None:
    text = "".join(f"Receiving objects: {percent}% (x)\r" for percent in range(100))
    left, said = detached._take(text.encode(), collections.deque(maxlen=3), unit._counted)
    assert (left, said) == (b"", "Receiving objects: 99% (x)")


def test_a_line_that_is_not_finished_is_heard_by_who_wants_it() -> None:
    def counted(line: str, whole: bool) -> str:
        return "" if whole else line

    left, said = detached._take(b"whole\n[1]2.5,[2]2.", collections.deque(maxlen=3), counted)
    assert (left, said) == (b"[1]2.5,[2]2.", "[1]2.5,[2]2.")


def test_words_are_filled_in_and_other_braces_stay() -> None:
    values = {"{source}": "/s", "{jobs}": "4", "{ccache}": ""}
    assert compile.fill("-j{jobs} {source}/x ${HOME} {other} {ccache}|", values) == "-j4 /s/x ${HOME} {other} |"


def test_a_build_is_named_by_a_name() -> None:
    assert work.of({"id": "rocmfp4-abc-1"}).log == "/var/cache/strixkit/build/work/rocmfp4-abc-1/build.log"
    assert work.unit({"id": "rocmfp4-abc-1"}) == "strixkit-build-rocmfp4-abc-1.service"
    for bad in ("", ".", "..", "../x", "a/b", "-x", ".new-x", 7):
        with pytest.raises(BuildError, match="no id"):
            work.of({"id": bad})


def test_files_that_changed_after_the_last_sync_go(tmp_path: Path) -> None:
    """Whatever their own date says: a program can set that one."""
    for name in ("a/old.o", "a/new.o", ".ninja_log", ".ninja_deps"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    since = (tmp_path / "link").lstat().st_ctime
    assert durable.remove_newer(str(tmp_path), since + 3600) == 0
    time.sleep(0.05)  # the kernel's clock for files ticks more slowly
    os.utime(tmp_path / "a/new.o", (0, 0))
    before = (tmp_path / "a/old.o").stat().st_ctime
    after = (tmp_path / "a/new.o").stat().st_ctime
    assert after > before
    assert durable.remove_newer(str(tmp_path), after) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".ninja_deps", ".ninja_log", "a", "link", "old.o"]
    assert durable.remove_newer(str(tmp_path), 0) == 2
    assert Path("/etc/passwd").exists()


def test_another_boot_costs_what_was_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "b"
    here = work.Work(str(folder), *(str(folder / name) for name in ("source", "build", "build.log", "state.json")))
    (folder / "build").mkdir(parents=True)
    assert durable.distrust(here) == 0
    durable.sync(here)
    (folder / "build/new.o").write_bytes(b"")
    assert durable.distrust(here) == 0, "the same boot"
    monkeypatch.setattr(durable, "boot_id", lambda: "another")
    assert durable.distrust(here) == 1
    (folder / "build/new.o").write_bytes(b"x")
    assert durable.distrust(here) == 0, "it is known now"


@pytest.mark.parametrize(
    ("active", "sub", "runs"),
    [
        ("active", "running", True),
        ("activating", "start", True),
        ("deactivating", "stop-sigterm", True),
        ("active", "exited", False),
        ("failed", "failed", False),
        ("inactive", "dead", False),
    ],
)
def test_whether_a_unit_is_at_work(active: str, sub: str, runs: bool) -> None:
    assert unit.is_running({"ActiveState": active, "SubState": sub}) is runs
    assert not unit.is_running({})


def test_a_unit_that_was_stopped_has_not_done_its_work() -> None:
    assert unit.Ended("success", 0, []).ok
    for result, status in (("stopped", 0), ("success", 15), ("exit-code", 1), ("oom-kill", 9)):
        assert not unit.Ended(result, status, []).ok


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    me = work.Account(os.getuid(), os.getgid())
    with pytest.raises(OSError):
        work.make(str(tmp_path / "link"), me)
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="no folder"):
        work.make(str(tmp_path / "file"), me)
    work.make(str(tmp_path / "new"), me)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755
