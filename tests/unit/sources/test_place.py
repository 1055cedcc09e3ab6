"""FILE, URL or HOST:PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.errors import InputError
from strixkit.sources.place import Place, place_of


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("models/x.gguf", Place("local", "models/x.gguf")),
        ("/srv/a b.gguf", Place("local", "/srv/a b.gguf")),
        ("strix01:/srv/x.gguf", Place("box", "/srv/x.gguf", "strix01")),
        ("https://example.org/x.gguf?download=true", Place("url", "https://example.org/x.gguf?download=true")),
        ("HTTP://example.org/x.gguf", Place("url", "HTTP://example.org/x.gguf")),
        ("./a:/x.gguf", Place("local", "a:/x.gguf")),
    ],
)
def test_places(typed: str, place: Place) -> None:
    assert place_of(typed) == place


def test_a_file_that_is_here_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("box01:x").write_text("x")
    assert place_of("box01:x") == Place("local", "box01:x")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "HOST:PATH"),
        ("a\0b", "HOST:PATH"),
        ("ftp://example.org/x", "URLs of ftp"),
        ("file:///etc/passwd", "URLs of file"),
        ("https:///x.gguf", "no host"),
        ("https://me:secret@example.org/x", "a user in a URL"),
        ("https://example.org:x/y", "not a URL"),
        ("https://[::1/y", "not a URL"),
        ("https://example.org/a b", "percent-encoded"),
        ("https://example.org/a\r\nX: y", "percent-encoded"),
        ("strix01:x.gguf", "an absolute one"),
    ],
)
def test_bad_places(typed: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        place_of(typed)
    assert "secret" not in str(caught.value)
