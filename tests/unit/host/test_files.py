"""Which file a service's model is, and where it comes from."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from strixkit.config.catalogue import Model
from strixkit.config.host import Service
from strixkit.config.hub import HubFile
from strixkit.config.lock import Lock, LockedFile, LockedRepository
from strixkit.config.source import ModelSource
from strixkit.errors import InputError
from strixkit.host import files, origin
from strixkit.host.context import MODELS

SHA = "ab" * 32
COMMIT = "5" * 40


def _model(**variant: object) -> Model:
    return Model.model_validate(
        {
            "description": "x",
            "repo": "o/m",
            "default_variant": "v",
            "variants": {"v": {"file": "Model-Q4.gguf", "note": "x", **variant}},
        }
    )


@pytest.fixture(autouse=True)
def _locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    file = LockedFile(file="Model-Q4.gguf", size_bytes=7, sha256=SHA)
    entry = LockedRepository(repo="o/m", ref="main", commit=COMMIT, locked=datetime.date(2026, 1, 2), files=(file,))
    monkeypatch.setattr(origin, "load_lock", lambda: Lock(hub=(entry,)))


def _file(model: Model, source: ModelSource | None = None, sent: Path | None = None) -> files.ModelFile:
    return files.model_file("strix01", Service(profile="", model="m", source=source), model, "v", sent=sent)


def test_a_variant_without_a_source_is_the_hubs_as_locked() -> None:
    found = _file(_model())
    assert found.origin is not None
    assert found.origin.url == f"https://huggingface.co/o/m/resolve/{COMMIT}/Model-Q4.gguf"
    assert (found.sha256, found.size, found.path) == (SHA, 7, f"{MODELS}/Model-Q4-{SHA[:12]}.gguf")
    assert found.origin.token


def test_another_hub_is_named_as_its_own_tools_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://198.18.0.1:8080/")
    origin = _file(_model()).origin
    assert origin is not None
    assert origin.url.startswith("http://198.18.0.1:8080/o/m/resolve/")
    monkeypatch.setenv("HF_ENDPOINT", "ftp://x")
    with pytest.raises(InputError, match="HF_ENDPOINT: wanted a URL of http or https"):
        _file(_model())


def test_what_is_not_locked_has_no_origin() -> None:
    found = _file(_model(), ModelSource(hub=HubFile(repo="o/other", file="x.gguf")))
    assert (found.origin, found.unlocked, found.path) == (None, True, f"{MODELS}/Model-Q4.gguf")


def test_a_url_needs_to_be_known() -> None:
    with pytest.raises(InputError, match="needs its sha256 and its size_bytes"):
        _file(_model(), ModelSource(url="https://example.org/m.gguf"))
    found = _file(_model(), ModelSource(url="https://example.org/m.gguf?sig=1", sha256=SHA, size_bytes=9))
    assert found.origin is not None
    assert (found.origin.token, found.origin.text, found.size) == (False, "https://example.org/m.gguf", 9)


def test_a_file_on_the_box_stays_where_it_is() -> None:
    found = _file(_model(), ModelSource(box="/srv/m.gguf"))
    assert (found.path, found.origin, found.source, found.unlocked) == ("/srv/m.gguf", None, None, False)


@pytest.mark.parametrize("name", [f"Model-Q4-{SHA[:12]}.gguf", "Model-Q4.gguf"])
def test_a_folder_that_was_carried_along_has_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(InputError, match=f"{name} has sha256 .*, wanted {SHA}"):
        _file(_model(), sent=tmp_path)


def test_a_folder_without_the_file_says_which_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Model-Q4\.gguf is not on this machine"):
        _file(_model(), sent=tmp_path)
