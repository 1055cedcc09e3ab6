"""Recipes of the catalogue: those that are there, and what is wrong with others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_model
from strixkit.config.directories import PROJECT
from strixkit.config.recipe import file_name
from strixkit.errors import InputError

PROFILES = PROJECT / "profiles"
REAL, TINY = "qwen3.6-27b-mtp", "tiny"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROFILES, tmp_path / "profiles")
    return Path("profiles")


def test_the_cards_recipe() -> None:
    recipe = load_model(REAL, PROFILES).recipe
    assert recipe is not None
    assert {(part.hub.repo, part.hub.ref) for part in recipe.source if part.hub} == {
        ("unsloth/Qwen3.6-27B-MTP-GGUF", "5cb35eb3dcbf52dbce5f87dbc64df6aaffadcace")
    }
    assert [file_name(part) for part in recipe.source] == [
        f"Qwen3.6-27B-BF16-0000{number}-of-00002.gguf" for number in (1, 2)
    ]
    assert recipe.imatrix is not None
    assert (recipe.imatrix.chunks, recipe.imatrix.tensors, recipe.imatrix.device) == (339, 496, "Vulkan0")
    daily, head = recipe.variants["embF16"].expected, recipe.variants["embF16-headQ6"].expected
    assert (daily.size_gb, daily.bits_per_weight, head.size_gb) == (16.5, 4.82, 16.9)
    assert daily.nextn == head.nextn == "blk.64.nextn"


@pytest.mark.parametrize(
    ("model", "old", "new", "said"),
    [
        (REAL, "    embF16-headQ6:\n      type", "    embF16-headQ7:\n      type", "did you mean 'embF16-headQ6'?"),
        (REAL, "00002-of-00002.gguf", "00001-of-00002.gguf", "is not part 2 of 2: wanted all parts, in their order"),
        (REAL, "00002-of-00002.gguf", "00002-of-00003.gguf", "is not part 2 of 2"),
        (REAL, "output_tensor: q6_K", "output_tensor: q6_X", "did you mean 'q6_k'?"),
        (REAL, "attn_(k|v|qkv)", "attn_(k|v|qkv", "no regular expression"),
        (REAL, "size_gb: 16.5", "size_gb: -1", "recipe.variants.embF16.expected.size_gb"),
        (REAL, "nextn: blk.64.nextn", "nextn: 64", "recipe.variants.embF16.expected.nextn"),
        (REAL, "chunks: 339", "chunks: many", "recipe.imatrix.chunks"),
        (REAL, '"on"', '"maybe"', "recipe.imatrix.flash_attention"),
        (REAL, "file: qwen3.6-27b-code.imatrix", "file: a/b", "recipe.imatrix.file"),
        (REAL, "      type: Q4_0_ROCMFP4_STRIX\n", "", "recipe.variants.embF16"),
        (TINY, "    - controller: ~/.cache/strixkit/models/tiny-soft.gguf", "    - {}", "wanted exactly one of"),
        (TINY, "type: Q8_0", "type: Q8 0", "a type of llama-quantize --help"),
        (TINY, "  imatrix:\n    file: tiny.imatrix", "  imatrx:\n    file: tiny.imatrix", "did you mean 'imatrix'?"),
    ],
)
def test_faults(directory: Path, model: str, old: str, new: str, said: str) -> None:
    path = directory / f"models/{model}.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"^profiles/models/{model}\.yaml:\d+: ") as caught:
        load_model(model, directory)
    assert said in str(caught.value)


def test_a_variant_cannot_use_an_imatrix_that_is_not_made(directory: Path) -> None:
    path = directory / "models/tiny.yaml"
    before, _, after = path.read_text().partition("  imatrix:\n")
    path.write_text(before + after[after.index("  variants:\n") :])
    with pytest.raises(InputError, match="variant q4_0 uses an importance matrix"):
        load_model("tiny", directory)
