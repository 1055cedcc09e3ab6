"""The controller's cache: what one box claims is kept for that box alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.host import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_box_cannot_put_words_into_anothers_mouth() -> None:
    cache.put(cache.box_key("runtime", "evil", "f00"), {"help": "poison"})
    assert cache.get(cache.box_key("runtime", "good", "f00")) is None
    assert cache.get(cache.box_key("model", "evil", "f00")) is None
    assert cache.get(cache.box_key("runtime", "evil", "f00")) == {"help": "poison"}


def test_a_box_hears_only_of_its_own_answers(tmp_path: Path) -> None:
    local = tmp_path / "secret-project.gguf"
    local.write_bytes(b"x")
    cache.sha256(local)
    for host in ("strix", "strix-2", "other"):
        cache.put(cache.box_key("runtime", host, f"identity of {host}"), {})
        cache.put(cache.box_key("model", host, f"/m/x.gguf:1:2:3:{host}"), {})
    assert cache.known("strix") == ["identity of strix", "/m/x.gguf:1:2:3:strix"]
    assert cache.known("nobody") == []


def test_a_box_cannot_claim_a_file_of_this_machine(tmp_path: Path) -> None:
    local = tmp_path / "m.gguf"
    local.write_bytes(b"x")
    right, info = cache.sha256(local), local.stat()
    identity = f"sha256:{local}:{info.st_size}:{info.st_mtime_ns}:{info.st_ino}"
    for kind in ("runtime", "model"):
        cache.put(cache.box_key(kind, "evil", identity), {"sha256": "f" * 64})
    assert cache.sha256(local) == right


def test_a_half_written_entry_is_no_entry() -> None:
    key = cache.box_key("runtime", "strix", "f00")
    cache.put(key, {"help": "x"})
    [path] = (cache.folder() / "answers").glob("*.json")
    path.write_text(path.read_text()[:9])
    assert cache.get(key) is None
    assert cache.known("strix") == []
