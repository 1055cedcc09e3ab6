"""The commands of a recipe against the model's card, and what shapes the digest of a made file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from roles.quantize import commands
from roles.quantize.role import resources
from strixkit.config.catalogue import load_model, load_runtime
from strixkit.config.host import Host
from strixkit.errors import InputError
from strixkit.host.context import HostContext, RuntimeState
from strixkit.host.making import Input, Making, making
from strixkit.host.origin import Origin
from strixkit.planner.facts import Facts
from strixkit.resources.download import Download
from strixkit.resources.product import Product
from strixkit.runtime.help import Capabilities

CARD_IMATRIX = (
    "llama-imatrix -m Qwen3.6-27B-BF16-00001-of-00002.gguf -f code_calibration.txt -o qwen3.6-27b-code.imatrix "
    "-dev Vulkan0 -ngl 999 -fa on -c 512"
)
CARD_QUANTIZE = {
    "embF16": "llama-quantize --imatrix qwen3.6-27b-code.imatrix --token-embedding-type f16 "
    "Qwen3.6-27B-BF16-00001-of-00002.gguf Qwen3.6-27B-MTP-ROCmFP4-STRIX-imatrix-embF16.gguf Q4_0_ROCMFP4_STRIX",
    "embF16-headQ6": "llama-quantize --imatrix qwen3.6-27b-code.imatrix --token-embedding-type f16 "
    "--output-tensor-type q6_K Qwen3.6-27B-BF16-00001-of-00002.gguf "
    "Qwen3.6-27B-MTP-ROCmFP4-STRIX-imatrix-embF16-headQ6.gguf Q4_0_ROCMFP4_STRIX",
}
DATA = Path(__file__).parents[2] / "data/facts/framework-128gb.json"
FACTS = Facts.model_validate(json.loads(DATA.read_text())["facts"])
HELP = " 105  or  Q4_0_ROCMFP4_STRIX :  4.34 bpw\n"


def source(number: int) -> Input:
    name = f"Qwen3.6-27B-BF16-abc-0000{number}-of-00002.gguf"
    origin = Origin(f"https://hub/{name}", True, "the hub")
    path = f"/var/lib/strixkit/models/{name}"
    return Input(path, str(number) * 64, 27_000_000_000, "the hub", origin=origin)


def text(name: str, digit: str) -> Input:
    path = f"/var/lib/strixkit/texts/{name}"
    return Input(path, digit * 64, 215_000, "the hub", origin=Origin(f"https://hub/{name}", True, "the hub"))


@pytest.fixture
def wanted() -> Making:
    entry = load_model("qwen3.6-27b-mtp")
    assert entry.recipe is not None
    texts = (text("groups_merged.txt", "a"), text("code.txt", "b"), text("technical.txt", "c"))
    return Making("qwen3.6-27b-mtp", entry, entry.recipe, tuple(entry.recipe.variants), (source(1), source(2)), texts)


def context(making: Making, **runtime: object) -> HostContext:
    state = RuntimeState(
        "rocmfp4-path",
        load_runtime("rocmfp4-path"),
        "/opt/fork/llama-server",
        identity="1" * 64,
        capabilities=Capabilities(),
        tools=("llama-quantize", "llama-imatrix"),
        quantize_help=HELP,
    )
    host = HostContext(
        Host(name="box", address="b", runtime="rocmfp4-path", services={}), FACTS, replace(state, **runtime), ()
    )
    host.making = making
    return host


def products(host: HostContext) -> dict[str, Product]:
    return {item.path.rpartition("/")[2]: item for item in resources(host) if isinstance(item, Product)}


def filled(product: Product, names: dict[str, str]) -> str:
    return " ".join([product.spec["argv"][0].rpartition("/")[2], *(names.get(w, w) for w in product.spec["argv"][1:])])


def test_the_commands_are_the_cards_word_for_word(wanted: Making) -> None:
    found = products(context(wanted))
    names = {
        "{source}": "Qwen3.6-27B-BF16-00001-of-00002.gguf",
        "{text}": "code_calibration.txt",
        "{imatrix}": "qwen3.6-27b-code.imatrix",
    }
    assert filled(found["qwen3.6-27b-code.imatrix"], {**names, "{out}": "qwen3.6-27b-code.imatrix"}) == CARD_IMATRIX
    for variant, card in CARD_QUANTIZE.items():
        file = wanted.entry.variants[variant].file
        assert filled(found[file], {**names, "{out}": file}) == card


def test_the_texts_are_joined_in_the_cards_order(wanted: Making) -> None:
    joined = products(context(wanted))["code_calibration.txt"]
    names = [item["path"].rpartition("/")[2] for item in joined.spec["inputs"]]
    assert names == ["groups_merged.txt", "code.txt", "technical.txt"]


def test_what_changes_a_digest(wanted: Making) -> None:
    keys = {name: item.key for name, item in products(context(wanted)).items()}
    other = replace(wanted, texts=(*wanted.texts[:2], text("technical.txt", "d")))
    changed = {name for name, item in products(context(other)).items() if item.key != keys[name]}
    assert changed == set(keys)
    other = replace(wanted, source=(wanted.source[0], replace(wanted.source[1], sha256="9" * 64)))
    changed = {name for name, item in products(context(other)).items() if item.key != keys[name]}
    assert changed == set(keys) - {"code_calibration.txt"}
    changed = {name for name, item in products(context(wanted, identity="2" * 64)).items() if item.key != keys[name]}
    assert changed == set(keys) - {"code_calibration.txt"}
    assert {name: item.key for name, item in products(context(wanted)).items()} == keys


def test_the_room_for_all_that_comes_before(wanted: Making) -> None:
    found = products(context(wanted))
    last = found[wanted.entry.variants["embF16-headQ6"].file]
    assert sum(size for _, size, _ in last.needs) > 54_000_000_000 + 16_500_000_000
    assert last.size == pytest.approx(17_069_000_000)  # 16.9 GB and one in a hundred
    said = last.refuse({**last.absent(), "lacks_bytes": 3_000_000_000, "free_bytes": 60_000_000_000})
    assert said is not None
    assert "takes 17.1 GB at most" in said
    assert "3.0 GB more than is free (60.0 GB)" in said


def test_nothing_is_fetched_for_a_type_that_the_tool_does_not_know(wanted: Making) -> None:
    host = context(wanted, quantize_help="   2  or  Q4_0    :  4.34G\n")
    found = []
    with pytest.raises(InputError, match="does not know type Q4_0_ROCMFP4_STRIX of variant") as caught:
        for item in resources(host):
            found.append(item)
    assert "strix_runtime: rocmfp4" in str(caught.value)
    assert not [item for item in found if isinstance(item, Download)]


def test_a_runtime_without_its_tools(wanted: Making) -> None:
    with pytest.raises(InputError, match="has no llama-imatrix in /opt/fork"):
        list(resources(context(wanted, tools=("llama-quantize",))))


def test_the_authors_own_matrix_is_fetched_and_none_is_measured(wanted: Making) -> None:
    own = text("qwen3.6-27b-code.imatrix", "e")
    host = context(replace(wanted, texts=(), published=own))
    found = products(host)
    assert set(found) == {wanted.entry.variants[name].file for name in wanted.variants}
    for product in found.values():
        used = {item["name"]: item["sha256"] for item in product.spec["inputs"]}
        assert used["imatrix"] == own.sha256
        assert f"download:{own.path}" in product.after
    assert own.path in [item.path for item in resources(host) if isinstance(item, Download)]


def test_a_model_whose_author_gave_no_matrix() -> None:
    with pytest.raises(InputError, match="names no importance matrix of its author for q8_0"):
        making("tiny", "q8_0", published=True)


def test_what_is_not_locked_is_said(wanted: Making) -> None:
    host = context(replace(wanted, unlocked=("code.txt of datasets/froggeric/imatrix",)))
    assert not products(host)
    assert "invoke lock --only qwen3.6-27b-mtp" in host.lacks[0]


def test_options_come_before_names() -> None:
    recipe = load_model("tiny").recipe
    assert recipe is not None
    assert commands.quantize(recipe.variants["q8_0"]) == ["{source}", "{out}", "Q8_0"]
    assert recipe.imatrix is not None
    assert commands.imatrix(recipe.imatrix)[6:] == ["-dev", "none", "-ngl", "0", "-fa", "on", "-c", "512"]
