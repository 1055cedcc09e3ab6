"""The agent's part of an evaluation that needs no program: what is there, what lacks room, whether logits are whole."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from strixkit.remote.agent import detached, evaluate
from strixkit.runtime.perplexity import Run
from strixkit.runtime.perplexity_command import logits_bytes

RUN, BASE, OTHER = "a" * 64, "b" * 64, "c" * 64
GB = 10**9


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(evaluate, "EVALUATIONS", str(tmp_path))
    monkeypatch.setattr(detached, "running", lambda name: False)
    return tmp_path


def disk(monkeypatch: pytest.MonkeyPatch, free: int, size: int = 1000 * GB) -> None:
    found = SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=size)
    monkeypatch.setattr(os, "statvfs", lambda path: found)


def write_logits(place: Path, run: str, size: int) -> Path:
    path = place / run / "logits/base.kld"
    path.parent.mkdir(parents=True)
    with path.open("wb") as handle:
        handle.truncate(size)
    return path


def ask(logits: list[list[object]]) -> dict[str, object]:
    return evaluate.question({"run": RUN, "logits": logits})


def test_nothing_is_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 100 * GB)
    assert ask([[BASE, 12 * GB]]) == {"finished": False, "running": False, "logits_bytes": 0, "lacks_bytes": 0}


def test_all_logits_need_room_and_some_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 30 * GB)
    assert ask([[OTHER, 12 * GB], [BASE, 12 * GB]])["lacks_bytes"] == (12 + 12 + 24) * GB - 30 * GB
    disk(monkeypatch, 30 * GB, size=100 * GB)
    assert ask([[OTHER, 12 * GB], [BASE, 12 * GB]])["lacks_bytes"] == 0  # 5 % are 5 GB


def test_a_small_one_asks_for_little(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 5_000_000)
    assert ask([[BASE, 2_000_000]])["lacks_bytes"] == 0


def test_what_is_written_takes_no_more_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 0)
    write_logits(place, BASE, 1 << 20)
    assert ask([[BASE, 3 << 20]])["lacks_bytes"] == 4 << 20  # twice of what is still to come
    (place / BASE / "done.json").write_text("{}")
    assert ask([[BASE, 3 << 20]])["lacks_bytes"] == 0
    (place / RUN).mkdir()
    (place / RUN / "done.json").write_text('{"output": ""}')
    assert ask([[BASE, 3 << 20]])["finished"] is True
    evaluate.drop_logits({"ids": [BASE]}, None)  # type: ignore[arg-type]
    assert not (place / BASE / "logits").exists()
    assert (place / BASE / "done.json").exists()


@pytest.mark.parametrize(("context", "chunks", "cut"), [(512, 9, 1), (512, 8, 0), (256, 9, 0), (512, 9, -4)])
def test_logits_that_are_not_as_the_run_says(place: Path, context: int, chunks: int, cut: int) -> None:
    path = write_logits(place, BASE, logits_bytes(264, chunks, context) - cut)
    with path.open("r+b") as handle:
        handle.write(struct.pack("<8sIii", b"_logits_", context, 264, chunks))
    with pytest.raises(evaluate.EvaluateError, match="not written whole"):
        evaluate._check_logits(str(path), Run(9, 512, 9, {}))


def test_logits_as_they_should_be(place: Path) -> None:
    path = write_logits(place, BASE, logits_bytes(264, 9))
    with path.open("r+b") as handle:
        handle.write(struct.pack("<8sIii", b"_logits_", 512, 264, 9))
    evaluate._check_logits(str(path), Run(9, 512, 9, {}))
    path.write_bytes(b"short")
    with pytest.raises(evaluate.EvaluateError, match="not there"):
        evaluate._check_logits(str(path), Run(9, 512, 9, {}))


@pytest.mark.parametrize("name", ["", "../../etc", "A" * 64, "a" * 63, "a" * 64 + "/"])
def test_what_is_no_id_is_no_path(name: str) -> None:
    with pytest.raises(evaluate.EvaluateError, match="no id of a run"):
        evaluate.folder(name)
