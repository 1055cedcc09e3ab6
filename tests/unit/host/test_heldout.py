"""Held-out texts: the same files give the same bytes, in the order of their paths."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_model
from strixkit.config.evaluation import HeldOut
from strixkit.config.source import ModelSource
from strixkit.errors import InputError
from strixkit.host.heldout import text
from strixkit.sandbox.tinymodel import heldout


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, content in {
        "b.py": "b",
        "a/c.py": "c\n",
        ".venv/d.py": "no",
        "a/.cache/e.py": "no",
        "f.md": "no",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_files_are_joined_in_the_order_of_their_paths(project: Path) -> None:
    found = text("code", HeldOut(project=("*.py", "**/*.py")), project)
    assert found.path.read_text() == "c\nb\n"
    assert found.sha256 == hashlib.sha256(b"c\nb\n").hexdigest()
    assert (found.size, found.origin) == (4, "2 files of this project")
    assert text("code", HeldOut(project=("**/*.py",)), project) == found


def test_what_is_damaged_in_the_cache_is_made_again(project: Path) -> None:
    found = text("code", HeldOut(project=("*.py",)), project)
    found.path.write_text("")
    assert text("code", HeldOut(project=("*.py",)), project).path.read_text() == "b\n"


def test_no_file_matches(project: Path) -> None:
    with pytest.raises(InputError, match=r"text code: no file of .*/project matches \*\.txt"):
        text("code", HeldOut(project=("*.txt",)), project)


def test_a_file_of_this_machine(project: Path) -> None:
    wish = ModelSource(controller=str(project / "f.md"))
    assert text("prose", HeldOut(source=wish)).path == project / "f.md"
    with pytest.raises(InputError, match="has sha256"):
        text("prose", HeldOut(source=wish.model_copy(update={"sha256": "0" * 64})))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        text("prose", HeldOut(source=ModelSource(controller=str(project / "none"))))
    with pytest.raises(InputError, match="a file that this machine has"):
        text("prose", HeldOut(source=ModelSource(box="/etc/motd")))


def test_the_projects_own_texts_are_large_enough() -> None:
    """100 chunks of 512 tokens; a token of such texts is 3 bytes or more."""
    evaluation = load_model("qwen3.6-27b-mtp").evaluation
    assert evaluation is not None
    sizes = {name: text(name, wish).size for name, wish in evaluation.texts.items()}
    assert sizes["code"] > 100 * 512 * 4
    assert sizes["prose"] > 40 * 512 * 4


def test_the_tiny_models_texts_are_as_they_are_made() -> None:
    for name in heldout.TEXTS:
        assert (heldout.FOLDER / f"{name}.txt").read_text() == heldout.text(name)
    evaluation = load_model("tiny").evaluation
    assert evaluation is not None
    assert list(evaluation.texts) == list(heldout.TEXTS)
