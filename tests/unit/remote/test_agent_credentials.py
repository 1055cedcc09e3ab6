"""API keys on the box: what is one, what is kept of a file, and that no answer tells it."""

from __future__ import annotations

import grp
import json
import os
import pwd
from pathlib import Path

import pytest

from strixkit.remote.agent import credentials, main, observe, steps

KEY = "sk-abc"
BAD = ["", "\n", "sk-abc\r\n", "sk-abc\nsk-def\n", " sk-abc\n", "sk abc\n", "sk-äbc\n", "sk-abc\n\n", "sk\0abc"]


@pytest.mark.parametrize("text", [KEY, KEY + "\n"])
def test_one_line_is_a_key(text: str) -> None:
    assert credentials.valid(text.encode())


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_key_as_the_server_would_read_it(text: str) -> None:
    assert not credentials.valid(text.encode())


@pytest.mark.parametrize("text", [KEY + "\n", *BAD])
def test_an_answer_says_whether_it_is_a_key_and_nothing_of_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    [answer] = observe.answer_all([{"ask": "secret", "path": str(tmp_path / "key")}])
    assert answer["valid"] is (text == KEY + "\n")
    assert set(answer) == {"type", "mode", "owner", "group", "valid"}
    assert "abc" not in json.dumps(answer)


def _written(path: Path) -> str:
    owner = {
        "owner": pwd.getpwuid(os.geteuid()).pw_name,
        "group": grp.getgrgid(os.getegid()).gr_name,
    }
    steps.secret({**owner, "path": str(path), "mode": 0o600}, lambda text: None)
    return path.read_text()


@pytest.mark.parametrize("text", [KEY, KEY + "\n", KEY + "\r\n", f" {KEY} \n\n"])
def test_a_key_stays_without_what_is_around_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert _written(tmp_path / "key").rstrip("\n") == KEY


@pytest.mark.parametrize("text", [None, "", "\n", "sk-abc\nsk-def\n", "sk abc\n", "sk-äbc\n"])
def test_what_is_no_key_is_replaced(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    written = _written(tmp_path / "key")
    assert written.startswith("sk-")
    assert "abc" not in written
    assert credentials.valid(written.encode())
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_loaded_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LOADED", str(tmp_path / "%s"))
    (tmp_path / "key").write_text("sk-1\n")
    assert credentials.loaded("u", str(tmp_path / "key")) is None
    (tmp_path / "u").write_text("sk-1\n")
    assert credentials.loaded("u", str(tmp_path / "key")) is True
    (tmp_path / "key").write_text("sk-2\n")
    assert credentials.loaded("u", str(tmp_path / "key")) is False
    for text in ("", "\n"):  # the same run will write a key there, so the process must start again
        (tmp_path / "key").write_text(text)
        (tmp_path / "u").write_text(text)
        assert credentials.loaded("u", str(tmp_path / "key")) is False


def test_the_first_line_is_the_key_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strixkit.remote.agent.paths.CREDENTIALS", str(tmp_path))
    assert main.key({"service": "main"}) == {"key": None}
    (tmp_path / "main.key").write_text("\n sk-1 \r\nsk-2\n")
    assert main.key({"service": "main"}) == {"key": "sk-1"}
