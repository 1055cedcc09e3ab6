"""From what is to be compared to runs: the base first, each known by all that shapes its numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strixkit.config.host import Host, Service
from strixkit.engine.plan import order
from strixkit.errors import InputError
from strixkit.fleet import evaluate
from strixkit.host.judging import BASE, Judging, Wish
from strixkit.planner import gguf
from strixkit.resources.evaluation import Evaluation, NoLogits

DATA = Path(__file__).parents[2] / "data"
FACTS = DATA / "facts/framework-128gb.json"
MODEL = DATA.parents[1] / "strixkit/golden/tiny-pred-q4_k_m.gguf"
HELP = (DATA / "help/llama.cpp-0.7.0.txt").read_text()
HOST = Host(
    name="strix01",
    address="strix01",
    runtime="debian",
    services={"main": Service(profile="coding", model="tiny")},
)
RUNTIME = {"binary": "/usr/bin/llama-server", "present": True, "identity": "r1", "help": HELP, "version": "version: 7"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def wish(*variants: str, **more: Any) -> Wish:
    return evaluate.wish(HOST, "tiny", variants=variants or ("/a.gguf", "/b.gguf"), base="/base.gguf", **more)


def boxed(path: str, stamp: str = "1", **metadata: object) -> dict[str, Any]:
    size = MODEL.stat().st_size
    with MODEL.open("rb") as handle:
        header = gguf.summary(gguf.read_header(handle, size), size)
    header["metadata"] = {**header["metadata"], **metadata}  # type: ignore[dict-item]
    return {"path": path, "present": True, "size": size, "identity": f"{path}:{stamp}", "header": header}


def answer(*models: dict[str, Any], runtime: dict[str, Any] = RUNTIME) -> dict[str, Any]:
    found = models or (boxed("/base.gguf"), boxed("/a.gguf"), boxed("/b.gguf"))
    return {**json.loads(FACTS.read_text()), "runtime": runtime, "models": list(found)}


def runs(asked: Wish, said: dict[str, Any]) -> list[Evaluation]:
    desired = Judging(HOST, asked).desired(said)
    assert desired.complete
    return [item for item in order(desired.resources) if isinstance(item, Evaluation)]


def test_the_base_runs_first_and_each_variant_names_it() -> None:
    found = runs(wish(), answer())
    whats = ["code, (base)", "code, a", "code, b", "prose, (base)", "prose, a", "prose, b"]
    assert [item.what for item in found] == whats
    assert len({item.run for item in found}) == 6
    base, variant = found[:2]
    assert "base" not in base.spec
    assert variant.spec["base"] == base.spec
    logits = f"/var/lib/strixkit/evaluations/{base.run}/logits/base.kld"
    assert base.spec["argv"][-2:] == ["--kl-divergence-base", logits]
    assert variant.spec["argv"][-3:] == ["--kl-divergence-base", logits, "--kl-divergence"]
    assert base.spec["argv"][0] == "/usr/bin/llama-perplexity"
    assert "Vulkan0" in base.spec["argv"]  # the profile's
    assert base.spec["user"] == "llama"


def test_a_run_is_another_one_when_what_shapes_it_is() -> None:
    first = runs(wish(), answer())
    assert [item.run for item in runs(wish(), answer())] == [item.run for item in first]
    other = runs(wish(), answer(boxed("/base.gguf"), boxed("/a.gguf", "2"), boxed("/b.gguf")))
    assert [one.run == two.run for one, two in zip(first, other, strict=True)] == [True, False, True] * 2
    for changed in (
        runs(wish(), answer(boxed("/base.gguf", "2"), boxed("/a.gguf"), boxed("/b.gguf"))),
        runs(wish(), answer(runtime={**RUNTIME, "identity": "r2"})),
        runs(wish(chunks=7), answer()),
        runs(wish(device="cpu"), answer()),
    ):
        assert not {item.run for item in changed} & {item.run for item in first}


def test_the_logits_go_last_or_are_kept() -> None:
    last = order(Judging(HOST, wish()).desired(answer()).resources)[-2:]
    assert [(type(item), item.id) for item in last] == [(NoLogits, "no_logits:code"), (NoLogits, "no_logits:prose")]
    kept = Judging(HOST, wish(keep=True)).desired(answer()).resources
    assert not [item for item in kept if isinstance(item, NoLogits)]


def test_nothing_runs_before_the_runtime_is_there() -> None:
    desired = Judging(HOST, wish()).desired(answer(runtime={"binary": "", "present": False}))
    assert not desired.complete
    assert not [item for item in desired.resources if isinstance(item, Evaluation)]


def test_variants_that_are_not_there_are_told_when_they_were_named() -> None:
    said = answer(boxed("/base.gguf"), boxed("/a.gguf"))
    with pytest.raises(InputError, match=r"b is not on the box: not /b\.gguf"):
        runs(wish(), said)
    found = runs(replace(wish(), explicit=False), said)
    assert {item.what for item in found} == {"code, (base)", "code, a", "prose, (base)", "prose, a"}
    with pytest.raises(InputError, match="no variant is on the box, of a, b"):
        runs(replace(wish(), explicit=False), answer(boxed("/base.gguf")))
    with pytest.raises(InputError, match="base is not on the box"):
        runs(wish(), answer(boxed("/a.gguf"), boxed("/b.gguf")))
    with pytest.raises(InputError, match="q8_0 is not on the box") as caught:
        runs(wish("q8_0"), said)
    assert "invoke quantize --host strix01 --model tiny makes it" in str(caught.value.hint)


@pytest.mark.parametrize(
    "metadata",
    [
        {"tokenizer.ggml.tokens": {"element": "str", "length": 300}},
        {"tokenizer.ggml.pre": "llama-bpe"},
        {"tokenizer.ggml.model": "spm"},
    ],
)
def test_another_tokenizer_is_refused(metadata: dict[str, object]) -> None:
    said = answer(boxed("/base.gguf"), boxed("/a.gguf"), boxed("/b.gguf", **metadata))
    with pytest.raises(InputError, match="b has another tokenizer than base"):
        runs(wish(), said)


def test_what_is_asked_for_must_be_there() -> None:
    with pytest.raises(InputError, match="unknown variant 'q9_0'; did you mean"):
        wish("q9_0")
    with pytest.raises(InputError, match="the base alone is named"):
        wish("/base.gguf")
    with pytest.raises(InputError, match="two files are called a"):
        wish("/a.gguf", "/x/a.gguf")
    with pytest.raises(InputError, match="two files are called base"):
        wish("/x/base.gguf")


def test_without_names_it_is_what_the_recipe_makes() -> None:
    found = evaluate.wish(HOST, "tiny", base="/base.gguf")
    assert [one.name for one in found.variants] == ["q8_0", "q4_0", "q4_0-embF16"]
    assert not found.explicit
    assert found.variants[0].paths == ("/var/lib/strixkit/made/tiny-q8_0.gguf",)


def test_results_of_a_box_are_read_again() -> None:
    data = DATA / "perplexity"
    judging = Judging(HOST, replace(wish("/a.gguf"), texts=wish().texts[:1]))
    judging.desired(answer(boxed("/base.gguf"), boxed("/a.gguf")))
    base, variant = ({"output": (data / f"{name}.txt").read_text()} for name in ("base", "kld-q4_0"))
    found = evaluate._results("strix01", judging, [base, variant])
    assert set(found) == {("code", BASE), ("code", "a")}
    lost = {"output": (data / "kld-lost.txt").read_text()}
    for kept in ([base, lost], [base, None], [base], [base, {"output": 7}], None):
        with pytest.raises(Exception, match=r"strix01|no result|nothing is kept|makes no sense"):
            evaluate._results("strix01", judging, kept)


def test_the_logits_of_all_texts_are_there_at_the_same_time() -> None:
    found = {item.what: item for item in runs(wish(), answer())}
    first, second = found["code, (base)"], found["prose, (base)"]
    assert first.before == ()
    assert second.before == found["prose, a"].before == ((first.run, first.needs),)
