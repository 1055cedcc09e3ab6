"""Model files as the agent sees them, in folders of the test's own: who uses what, and what may go."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from strixkit.remote.agent import detached, hashes, models, models_steps, paths
from strixkit.remote.agent.fetch import unit

NOTHING: dict[str, Any] = {"paths": [], "sha256": []}
HALF = "d" * 64


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("models", "made", "incoming", "services"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(models, "FOLDERS", (str(tmp_path / "models"), str(tmp_path / "made")))
    monkeypatch.setattr(paths, "INCOMING", str(tmp_path / "incoming"))
    monkeypatch.setattr(paths, "SERVICES", str(tmp_path / "services"))
    monkeypatch.setattr(paths, "HASHES", str(tmp_path / "hashes.json"))
    monkeypatch.setattr(paths, "CHECKED", str(tmp_path / "checked.json"))
    monkeypatch.setattr(unit, "at_work", lambda sha256: False)
    monkeypatch.setattr(detached, "known", lambda name: False)
    return tmp_path


def own(state: Path, stem: str) -> str:
    """A file as strixkit puts it there."""
    sha256 = hashlib.sha256(stem.encode()).hexdigest()
    path = state / f"models/{stem}-{sha256[:12]}.gguf"
    path.write_text(stem)
    hashes.record(str(path), sha256)
    return str(path)


def release(state: Path, name: str, *argv: str, model: str | None = None) -> None:
    folder = state / f"services/main/releases/{name}"
    folder.mkdir(parents=True)
    manifest = {"argv": ["/usr/bin/llama-server", *argv], "model": {"path": model} if model else None}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def may_go(**wanted: list[str]) -> set[str]:
    return {path for path, _ in models.prunable(models.models({**NOTHING, **wanted}))}


def test_what_no_release_and_no_service_uses_may_go(state: Path) -> None:
    used, wanted, draft, free = (own(state, name) for name in ("used", "wanted", "draft", "free"))
    (state / "models/by-hand.gguf").write_text("hand")
    release(state, "one", "-md", draft, model=used)
    assert may_go(paths=[wanted]) == {free}
    rows = {row["path"]: row for row in models.models(NOTHING)["files"]}
    assert rows[used]["used_by"] == rows[draft]["used_by"] == ["main/one"]
    assert rows[str(state / "models/by-hand.gguf")]["sha256"] == ""
    assert models.unused(wanted) == [(free, 4)]


def test_a_file_that_changed_is_not_ours_any_more(state: Path) -> None:
    path = own(state, "model")
    assert may_go() == {path}
    Path(path).write_text("something else")
    assert may_go() == set()


def test_a_link_and_what_it_leads_to_are_used(state: Path) -> None:
    target = own(state, "target")
    link = state / "models/link.gguf"
    link.symlink_to(target)
    release(state, "one", model=str(link))
    assert may_go() == set()
    assert {row["path"]: row["used_by"] for row in models.models(NOTHING)["files"]} == {
        target: ["main/one"],
        str(link): ["main/one"],
    }


def test_all_parts_of_a_split_are_used(state: Path) -> None:
    names = [str(state / f"models/m-0000{number}-of-00002.gguf") for number in (1, 2)]
    for name in names:
        Path(name).write_text("part")
    release(state, "one", model=names[0])
    assert [row["used_by"] for row in models.models(NOTHING)["files"]] == [["main/one"], ["main/one"]]


def test_a_link_to_a_folder_by_way_of_which_a_release_names_its_model(state: Path) -> None:
    (state / "disk").mkdir()
    (state / "disk/m.gguf").write_text("m")
    link = state / "models/disk"
    link.symlink_to(state / "disk")
    release(state, "one", model=f"{link}/m.gguf")
    with pytest.raises(RuntimeError, match="is used by main/one, so it stays"):
        models_steps.remove_model({"path": str(link)}, print)  # type: ignore[arg-type]
    assert link.is_symlink()


@pytest.mark.parametrize("form", ["{}", "--model={}"])
def test_what_a_running_process_was_started_with_stays(state: Path, form: str) -> None:
    """llama-quantize reads its source for hours, and no release names that."""
    source = own(state, "source")
    words = [sys.executable, "-c", "input()", "llama-quantize", form.format(source)]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as running:
        users = models.models(NOTHING)["files"][0]["used_by"]
        assert [word.partition(" ")[0] for word in users] == ["process"]
        assert may_go() == set()
        with pytest.raises(RuntimeError, match=r"is used by process .*, so it stays"):
            models_steps.remove_model({"path": source}, print)  # type: ignore[arg-type]
        running.communicate(b"\n")
    assert may_go() == {source}


def test_a_file_that_is_being_made_is_a_half_one(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making = state / f"made/.making-{'a' * 16}"
    (making / "out").mkdir(parents=True)
    (making / "out/m.gguf").write_bytes(b"x" * 50000)
    answer = models.models(NOTHING)
    assert answer["files"] == []
    [half] = answer["halves"]
    assert (half["path"], half["running"], half["bytes"] >= 50000) == (str(making), False, True)
    assert may_go() == set()
    then = time.time() - 25 * 3600
    for path in (making / "out/m.gguf", making / "out", making):
        os.utime(path, (then, then))
    assert may_go() == {str(making)}
    asked: list[str] = []

    def known(name: str) -> bool:
        asked.append(name)
        return True

    monkeypatch.setattr(detached, "known", known)
    assert may_go() == set()
    with pytest.raises(RuntimeError, match="is being made, so it stays; next: invoke quantize"):
        models_steps.remove_model({"path": str(making)}, print)  # type: ignore[arg-type]
    assert set(asked) == {f"strixkit-make-{'a' * 16}.service"}
    monkeypatch.setattr(detached, "known", lambda name: False)
    models_steps.remove_model({"path": str(making)}, print)  # type: ignore[arg-type]
    assert not making.exists()


def test_what_an_unfinished_file_is_made_of_stays(state: Path) -> None:
    """Of a quantization that was killed: its source of 55 GB would have to be fetched again."""
    source = own(state, "source")
    making = state / f"made/.making-{'a' * 16}"
    making.mkdir()
    assert may_go() == {source}
    (making / "begun.json").write_text(json.dumps({"at": "", "inputs": [source]}))
    assert may_go() == set()
    with pytest.raises(RuntimeError, match=r"is used by unfinished \.making-a{16}, so it stays"):
        models_steps.remove_model({"path": source}, print)  # type: ignore[arg-type]
    models_steps.remove_model({"path": str(making)}, print)  # type: ignore[arg-type]
    assert may_go() == {source}


def test_what_lies_beside_a_made_file_goes_with_it(state: Path) -> None:
    for name in ("m.gguf", "m.gguf.log", "m.gguf.provenance.json", "lost.gguf.log"):
        (state / "made" / name).write_text("x")
    made = str(state / "made/m.gguf")
    assert [row["path"] for row in models.models(NOTHING)["files"]] == [str(state / "made/lost.gguf.log"), made]
    models_steps.remove_model({"path": made}, print)  # type: ignore[arg-type]
    assert os.listdir(state / "made") == ["lost.gguf.log"]


def test_a_manifest_that_cannot_be_read_prunes_nothing(state: Path) -> None:
    path = own(state, "model")
    release(state, "one", model=path)
    (state / "services/main/releases/one/manifest.json").write_text("{")
    with pytest.raises((RuntimeError, ValueError)):
        models.models(NOTHING)
    with pytest.raises((RuntimeError, ValueError)):
        models_steps.remove_model({"path": path}, print)  # type: ignore[arg-type]
    assert os.path.exists(path)


@pytest.mark.parametrize(
    ("hours", "wanted", "running", "goes"),
    [
        (0.5, False, False, False),
        (2, False, False, True),
        (2, True, False, False),
        (25, True, False, True),
        (25, False, True, False),
    ],
)
def test_half_files(
    state: Path, monkeypatch: pytest.MonkeyPatch, hours: float, wanted: bool, running: bool, goes: bool
) -> None:
    monkeypatch.setattr(unit, "at_work", lambda sha256: running)
    folder = state / "incoming" / HALF
    folder.mkdir()
    (folder / "data").write_bytes(b"x" * 5000)
    now = time.time()
    for path in (folder / "data", folder):
        os.utime(path, (now - hours * 3600, now - hours * 3600))
    assert may_go(sha256=[HALF] if wanted else []) == ({str(folder)} if goes else set())
    if running:
        with pytest.raises(RuntimeError, match="is being fetched"):
            models_steps.remove_model({"path": str(folder)}, print)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ["partial", "copy"])
def test_what_is_on_its_way_beside_its_place_is_a_half_one(state: Path, end: str) -> None:
    path = state / f"models/.strixkit-{HALF}.{end}"
    path.write_text("half")
    answer = models.models(NOTHING)
    assert (answer["files"], [half["path"] for half in answer["halves"]]) == ([], [str(path)])
    os.utime(path, (0, 0))
    assert may_go() == {str(path)}


def test_only_inside_the_folders(state: Path) -> None:
    (state / "secret").write_text("precious")
    (state / "models/out").symlink_to(state)
    for path in ("/etc/passwd", f"{state}/models/../secret", f"{state}/models/out/secret", f"{state}/models"):
        with pytest.raises(RuntimeError, match="is not in"):
            models_steps.remove_model({"path": path}, print)  # type: ignore[arg-type]
    assert (state / "secret").exists()


def test_what_is_removed(state: Path) -> None:
    used, free = own(state, "used"), own(state, "free")
    release(state, "one", model=used)
    with pytest.raises(RuntimeError, match="is used by main/one, so it stays"):
        models_steps.remove_model({"path": used}, print)  # type: ignore[arg-type]
    outside = state / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    half = state / "incoming" / HALF
    half.mkdir()
    (half / "link").symlink_to(outside)
    (state / "made/run").mkdir()
    for path in (free, str(half), free):  # one that is gone already is no error
        models_steps.remove_model({"path": path}, print)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="is a folder, so it stays"):
        models_steps.remove_model({"path": str(state / "made/run")}, print)  # type: ignore[arg-type]
    assert (outside / "precious").exists()
    assert os.path.exists(used)
    assert not os.path.exists(free)
    assert not half.exists()


def said(verdict: str, code: int | None, **more: Any) -> dict[str, Any]:
    document = {"schema": 1, "files": [{"verdict": verdict, "error": None, "faults": [], **more}]}
    return {"code": code, "error": "", "words": "", "text": json.dumps(document)}


def test_the_verdict_of_the_program() -> None:
    fault = {"tensor": "blk.0", "index": 3, "byte": 77, "count": 1, "what": "invalid scale byte"}
    assert models_steps._verdict(said("good", 0)) == ("good", [])
    assert models_steps._verdict(said("bad", 1, faults=[fault] * 99)) == (
        "bad",
        ["blk.0: invalid scale byte (at byte 77)"] * 5,
    )
    error = {"kind": "zeros", "byte": 0, "what": "the file starts with zero bytes"}
    assert models_steps._verdict(said("bad", 1, error=error)) == (
        "bad",
        ["the file starts with zero bytes (at byte 0)"],
    )
    assert models_steps._verdict({"code": None, "error": "did not end", "words": "", "text": ""}) == (
        "unreadable",
        ["did not end"],
    )
    with pytest.raises(ValueError, match="it says 'good' with exit 1"):
        models_steps._verdict(said("good", 1))
