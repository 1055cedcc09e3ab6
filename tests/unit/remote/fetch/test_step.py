"""The step `fetch` and the request `share`, with a unit that the test says what it does."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from strixkit.remote.agent import hashes, paths, program
from strixkit.remote.agent.fetch import folder, question, share, step, unit
from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.resources.download import Download

DATA = b"what a model is made of"
SHA = hashlib.sha256(DATA).hexdigest()
OTHER = "d" * 64


class Unit:
    """Instead of systemd's: `start` leaves a file that is there and right. serving: units that serve on a port."""

    def __init__(self) -> None:
        self.serving: list[str] = []
        self.started: list[str] = []

    def start(self, here: str, request: dict[str, Any]) -> None:
        self.started.append(request["sha256"])
        unit.write(here, request)
        Path(here, "data").write_bytes(DATA)
        Path(here, "done.json").write_text(json.dumps({"ok": True, "sources": {"origin": len(DATA)}, "seconds": 1}))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    found = Unit()
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(paths, "STATE", str(tmp_path))
    monkeypatch.setattr(paths, "INCOMING", str(tmp_path / "incoming"))
    monkeypatch.setattr(paths, "HASHES", str(tmp_path / "hashes.json"))
    monkeypatch.setattr(folder, "account", lambda: folder.Account(os.getuid(), os.getgid()))
    monkeypatch.setattr(program, "zipped", lambda: b"")
    monkeypatch.setattr(unit, "at_work", lambda sha256: False)
    monkeypatch.setattr(unit, "start", found.start)
    monkeypatch.setattr(unit, "serving_on", lambda port: found.serving)
    monkeypatch.setattr(share, "running", lambda name: False)
    monkeypatch.setattr(share, "clear", lambda name: None)
    return found


class Report:
    """What a step says."""

    def __call__(self, text: str) -> None:
        pass

    note = counted = __call__


def fetch(tmp_path: Path) -> Path:
    """Run the step; returns where the file is."""
    path = tmp_path / "models" / "m.gguf"
    request = {"sha256": SHA, "size": len(DATA), "path": str(path), "owner": "root", "group": "root", "mode": 0o644}
    alone = {"url": "http://o/m", "token": False, "pieces": "all", "peers": [], "port": 0, "secret": ""}
    step.fetch({**request, **alone}, Report())
    assert path.read_bytes() == DATA
    return path


def test_a_folder_that_a_power_cut_has_left_is_in_nobodys_way(systemd: Unit, tmp_path: Path) -> None:
    # The file was put in place, its folder was not removed yet; then somebody removed the file.
    left = tmp_path / "incoming" / SHA
    left.mkdir(parents=True)
    (left / "done.json").write_text('{"ok": true}')
    path = fetch(tmp_path)
    assert hashes.recorded(str(path)) == SHA
    assert systemd.started == [SHA]
    assert not left.exists()


def test_what_is_read_wrong_on_the_way_to_another_disk_is_not_read_again_and_again(
    systemd: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def other_disk(source: str, target: str) -> None:
        if source.endswith("/data"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", other_disk)
    systemd.start(folder.prepare(SHA), {"sha256": SHA})
    Path(folder.of(SHA), "data").write_bytes(b"X" + DATA[1:])
    with pytest.raises(FetchError, match="thrown away; next: the same command"):
        fetch(tmp_path)
    assert os.listdir(tmp_path / "models") == []
    fetch(tmp_path)


def test_of_a_link_that_leads_nowhere_is_said_what_it_is(systemd: Unit, tmp_path: Path) -> None:
    path = tmp_path / "models" / "m.gguf"
    path.symlink_to("/nowhere")
    wanted = Download(path=str(path), sha256=SHA, size=len(DATA), url="http://o/m")
    said = wanted.refuse(question.download(wanted.question()))
    assert (
        said
        == f"{path} is a symlink to /nowhere, which is not there, wanted a file: point it to one, or remove it "
        + (f"(rm {path})")
    )


def test_what_another_user_made_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"of": "root"}')
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text("[" * 100_000)
    assert [folder.read(str(tmp_path), name) for name in ("link", "pipe", "deep", "missing")] == [{}] * 4
    assert folder.read(str(tmp_path), "secret") == {"of": "root"}


@pytest.mark.parametrize("done", [None, {"ok": False, "error": "no room"}])
def test_giving_a_file_ends_no_fetch_of_another_one(
    systemd: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: dict[str, Any] | None
) -> None:
    path = tmp_path / "models" / "m.gguf"
    path.write_bytes(DATA)
    hashes.record(str(path), SHA)
    systemd.serving = [unit.name(OTHER)]
    here = tmp_path / "incoming" / OTHER
    here.mkdir(parents=True)
    if done:  # it has ended and only gives: another may have the port
        (here / "done.json").write_text(json.dumps(done))
    asked: list[str] = []
    monkeypatch.setattr(share, "FOLDERS", str(tmp_path / "share"))
    monkeypatch.setattr(unit, "run", lambda *arguments: asked.append("run"))
    monkeypatch.setattr(share, "_wait", lambda *arguments: None)
    request = {"path": str(path), "sha256": SHA, "size": len(DATA), "port": 8179, "secret": "s", "seconds": 1}
    if done:
        share.share(request)
    else:
        with pytest.raises(FetchError, match=f"port 8179 is in use by {unit.name(OTHER)}, which still fetches"):
            share.share(request)
    assert asked == (["run"] if done else [])
