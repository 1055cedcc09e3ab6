"""What was in a file of somebody else before strixkit changed it can be had back."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.remote.agent import backup, paths


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BACKUP", str(tmp_path / "backup"))


def test_each_content_is_kept_once_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    file.write_bytes(b"A=1\n\xff")
    file.chmod(0o640)
    first = backup.keep(str(file))
    assert Path(first).read_bytes() == b"A=1\n\xff"
    assert Path(first).stat().st_mode & 0o7777 == 0o640
    assert backup.keep(str(file)) == first
    file.write_text("A=2\n")
    second = backup.keep(str(file))
    assert backup.kept(str(file)) == [first, second]
    file.write_bytes(b"A=1\n\xff")
    assert backup.keep(str(file)) == first


def test_nothing_there_keeps_nothing(tmp_path: Path) -> None:
    assert backup.keep(str(tmp_path / "gone")) == ""
    assert backup.kept(str(tmp_path / "gone")) == []
