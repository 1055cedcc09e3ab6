"""`evaluation:` of a model: the card's numbers as they are, faults told with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_model
from strixkit.errors import InputError

PROFILES = Path(__file__).parents[3] / "profiles"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROFILES, tmp_path / "profiles")
    return Path("profiles")


def test_the_cards_numbers() -> None:
    found = load_model("qwen3.6-27b-mtp", PROFILES).evaluation
    assert found is not None
    assert found.card is not None
    assert "not published" in found.card.note
    daily, head = found.card.variants["embF16"], found.card.variants["embF16-headQ6"]
    assert (daily.ppl, daily.kld) == ({"code": 1.8596, "prose": 5.7165}, 0.0369)
    assert (head.ppl, head.kld) == ({"code": 1.8550, "prose": 5.6761}, 0.0345)
    assert daily.same_top == head.same_top == 96
    assert list(found.texts) == ["code", "prose"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("project: [README.md,", "project: [../README.md,", "wanted a pattern of files in the project, without '..'"),
        ("    code:\n      project:", "    code:\n      nothing:", "nothing"),
        ("chunks: 100 ", "chunks: 1 ", "evaluation.chunks"),
        ("kld: 0.0369", "kld: -1", "evaluation.card.variants.embF16.kld"),
        ("prose: 5.7165", "prose: 0.5", "evaluation.card.variants.embF16.ppl.prose"),
        ("  texts:\n", "  texts: {}\n  other:\n", "evaluation"),
        ('prose:\n      project: [README.md, "docs/*.md", "native/**/README.md"]', "prose: {}", "wanted exactly one"),
    ],
)
def test_faults(directory: Path, old: str, new: str, said: str) -> None:
    path = directory / "models/qwen3.6-27b-mtp.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=r"^profiles/models/qwen3\.6-27b-mtp\.yaml:\d+: ") as caught:
        load_model("qwen3.6-27b-mtp", directory)
    assert said in str(caught.value)
