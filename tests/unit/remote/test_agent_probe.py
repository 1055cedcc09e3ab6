"""Asking a binary what it knows: as nobody, and never taking its last words for an answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strixkit.remote.agent import probe

LOADER = "error while loading shared libraries: libamdhip64.so.7: cannot open shared object file"


@pytest.fixture
def binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a fake llama-server that the tests' own user may run."""
    monkeypatch.setattr(probe, "as_nobody", dict)
    return tmp_path / "llama-server"


def _write(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_binary_that_answers(binary: Path) -> None:
    path = _write(binary, "[ $1 = --help ] && echo '-m,    --model FNAME   model path' || echo 'version: 7' >&2")
    answer = probe.runtime(path, [])
    assert "--model" in answer["help"]
    assert answer["version"].strip() == "version: 7"
    assert probe.runtime(path, [answer["identity"]]).keys() == {"binary", "present", "identity"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"echo '{LOADER}' >&2; exit 127", LOADER),
        (f"echo '{LOADER}' >&2; exit 127", "--help failed (exit 127)"),
        ("exit 1", "it said nothing"),
        ("echo usage: something else", "names no --model: usage: something else"),
        ("[ $1 = --help ] && echo '-m, --model X' || exit 3", "--version failed (exit 3)"),
    ],
)
def test_a_binary_that_cannot_answer_is_an_error_and_no_help(binary: Path, body: str, words: str) -> None:
    answer = probe.runtime(_write(binary, body), [])
    assert words in answer["error"]
    assert str(binary) in answer["error"]
    assert "help" not in answer


def test_only_the_first_lines_of_much_are_told(binary: Path) -> None:
    error = probe.runtime(_write(binary, "seq 100000; exit 1"), [])["error"]
    assert error.endswith("1\n2\n3\n4\n5")


def test_root_asks_as_nobody() -> None:
    arguments = probe.as_nobody()
    assert arguments == {} if os.geteuid() else arguments["user"] != 0
    assert os.geteuid() or arguments["extra_groups"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_binary_that_nobody_may_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    path = _write(tmp_path / "private" / "llama-server", "echo '-m, --model X'")
    assert f"user nobody may not run {path}" in probe.runtime(path, [])["error"]


@pytest.mark.parametrize(
    ("cut", "words"),
    [(0, "the file is empty"), (100_000, "truncated"), (-1000, "truncated")],
    ids=["empty", "header", "data"],
)
def test_a_model_that_is_none_is_an_error_of_that_model(tmp_path: Path, cut: int, words: str) -> None:
    data = (Path(__file__).parents[2] / "data/gguf/tiny-pred-strix.gguf").read_bytes()
    (tmp_path / "model.gguf").write_bytes(data[:cut])
    found = probe.model(str(tmp_path / "model.gguf"), [])
    assert found["present"]
    assert words in found["error"]
    assert "header" not in found
