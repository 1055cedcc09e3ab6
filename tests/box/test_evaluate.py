"""`invoke evaluate` on a box: Debian's llama-perplexity, on copies of a tiny model that its llama-quantize has made.

On the processor: what is tried here does not depend on the device.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from strixkit.config.evaluation import HeldOut
from strixkit.config.source import ModelSource
from strixkit.display.evaluation import document, lines
from strixkit.engine.events import Event
from strixkit.errors import InputError, StrixError
from strixkit.fleet import evaluate as evaluations
from strixkit.fleet import verbs
from strixkit.host import heldout
from strixkit.host.heldout import Text
from strixkit.host.judging import Wish
from strixkit.runtime.evaluated import Evaluated
from strixkit.sandbox.tinymodel import write_tiny_model
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box
MODELS = "/var/lib/strixkit/models"
BASE = f"{MODELS}/soft.gguf"
KEPT = "/var/lib/strixkit/evaluations"
# `--pure`: the output head too, which Q2_K by itself would leave at six bits.
MADE = {"fine": "Q8_0", "bad": "--pure Q2_K"}
WRAPPED = "/usr/bin/llama-perplexity"


@dataclass(frozen=True)
class Place:
    """A box with a base and two copies of it, one of them bad."""

    lab: Lab
    chunks: int = 3

    def wish(self, *names: str, chunks: int = 0, text: Text | None = None, keep: bool = False) -> Wish:
        found = evaluations.wish(
            self.lab.host(),
            "tiny",
            variants=[f"{MODELS}/{name}.gguf" for name in names],
            base=BASE,
            chunks=chunks or self.chunks,
            device="cpu",
            keep=keep,
        )
        return replace(found, texts=(text,) if text else found.texts[:1])

    def evaluate(self, wish: Wish, on_event: Callable[[Event], None] | None = None) -> Evaluated:
        self.lab.events.clear()

        def emit(event: Event) -> None:
            self.lab.events.append(event)
            if on_event:
                on_event(event)

        return evaluations.evaluate(self.lab.host(), verbs.Access(), emit, wish, model="tiny")

    def ran(self, beginning: str = "run 1") -> list[str]:
        """Which runs the last evaluation began, in order. With "run ": one that lost its end, each time."""
        return [event.resource.split(", ")[-1] for event in self.lab.events if event.text.startswith(beginning)]

    def printed(self) -> str:
        """All that is kept of finished runs."""
        return self.lab.ssh(f"cat {KEPT}/*/done.json")


@pytest.fixture(scope="module")
def place(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    soft = write_tiny_model(tmp_path_factory.mktemp("soft") / "soft.gguf", temperature=32.0)
    lab.ssh(f"mkdir -p {MODELS}")
    lab.put(soft, BASE)
    for name, words in MADE.items():
        flag, _, kind = words.rpartition(" ")
        lab.ssh(f"llama-quantize {flag} {BASE} {MODELS}/{name}.gguf {kind} 2>&1")
    return Place(lab)


@pytest.fixture(scope="module")
def first(place: Place) -> Evaluated:
    return place.evaluate(place.wish("fine", "bad"))


def test_every_number_is_one_that_the_program_printed(place: Place, first: Evaluated) -> None:
    [text] = first.texts
    printed, shown = place.printed(), "\n".join(lines(first))
    for run in (text.base, *text.runs.values()):
        assert run.chunks == 3
        assert run.measures
        for name, measure in run.measures.items():
            assert measure.printed in printed
            assert measure.printed_error in printed
            if name in ("ppl", "ln_ratio", "kld", "same_top"):
                assert measure.text in shown
    [told] = document(first)["texts"]
    assert {name: set(run["measures"]) for name, run in told["variants"].items()} == {
        name: set(run.measures) for name, run in text.runs.items()
    }
    assert first.base.sha256 == place.lab.ssh(f"sha256sum {BASE}").split()[0]
    assert text.sha256 == first.texts[0].sha256
    assert "0.7.0" in first.program


def test_a_bad_variant_is_said_to_be_worse(first: Evaluated) -> None:
    found = {(item.worse, item.better, item.measure) for item in first.worse}
    assert ("bad", "fine", "kld") in found
    assert not [item for item in first.worse if (item.worse, item.measure) == ("fine", "kld")]
    assert "code: bad is LESS FAITHFUL than fine" in "\n".join(lines(first))


def test_the_logits_are_gone_and_nothing_runs_again(place: Place, first: Evaluated) -> None:
    assert place.lab.ssh(f"find {KEPT} -name '*.kld'") == ""
    again = place.evaluate(place.wish("fine", "bad"))
    assert place.ran() == []
    assert again == first


def test_a_further_variant_is_run_against_logits_that_are_made_again(place: Place, first: Evaluated) -> None:
    place.lab.ssh(f"llama-quantize {BASE} {MODELS}/more.gguf Q4_0 2>&1")
    found = place.evaluate(place.wish("fine", "more", keep=True))
    assert place.ran() == ["more", "more"]  # the base's, in the step of the one that needs it, and its own
    assert found.texts[0].runs["fine"] == first.texts[0].runs["fine"]
    assert len(place.lab.ssh(f"find {KEPT} -name '*.kld'").split()) == 1
    place.evaluate(place.wish("fine", "more"))
    assert place.ran() == []
    assert place.lab.ssh(f"find {KEPT} -name '*.kld'") == ""


def test_a_lost_controller_loses_nothing(place: Place) -> None:
    def leave(event: Event) -> None:
        if event.resource.endswith("bad") and event.text.startswith("chunk"):
            raise Abandoned

    wish = place.wish("bad", "fine", chunks=4)
    with pytest.raises(Abandoned):
        place.evaluate(wish, leave)
    found = place.evaluate(wish)
    assert [event for event in place.lab.events if "attaching to it" in event.text]
    assert place.ran().count("(base)") <= 1  # what is attached to is heard from its beginning
    kept = [json.loads(line) for line in place.printed().splitlines()]
    assert len([item for item in kept if "over 4 chunks" in item["output"]]) == 3
    assert set(found.texts[0].runs) == {"bad", "fine"}


def test_a_killed_program_goes_on(place: Place) -> None:
    killed = []

    def kill(event: Event) -> None:
        if event.resource.endswith("bad") and event.text.startswith("chunk") and not killed:
            killed.append(event)
            place.lab.ssh("systemctl kill -s KILL 'strixkit-evaluate-*'")

    wish = place.wish("bad", chunks=5)
    with pytest.raises(StrixError, match=r"llama-perplexity was ended \(signal\).*goes on with this run"):
        place.evaluate(wish, kill)
    found = place.evaluate(wish)
    assert place.ran() == ["bad"]
    assert found.texts[0].runs["bad"].chunks == 5


def test_a_killed_job_is_taken_up(place: Place) -> None:
    """The program outlives it, and is not run twice."""

    def kill(event: Event) -> None:
        if event.text.startswith("chunk"):
            place.lab.ssh("systemctl kill -s KILL 'strixkit-job-*'")

    wish = place.wish("bad", chunks=6)
    with pytest.raises(StrixError, match="ended from outside"):
        place.evaluate(wish, kill)
    found = place.evaluate(wish)
    assert [event for event in place.lab.events if event.text.startswith("attached to strixkit-evaluate-")]
    assert found.texts[0].base.chunks == 6


def text_of(tmp_path: Path, content: str) -> Text:
    path = tmp_path / "text.txt"
    path.write_text(content)
    return heldout.text("code", HeldOut(source=ModelSource(controller=str(path))))


def test_a_text_that_is_too_short(place: Place, tmp_path: Path) -> None:
    with pytest.raises(StrixError, match=r"too short: you need at least 1024 tokens, .* tokenizes to only \d+ tokens"):
        place.evaluate(place.wish("bad", text=text_of(tmp_path, "abc\n" * 50)))


def test_what_is_not_on_the_box(place: Place) -> None:
    host = place.lab.host()
    wish = replace(evaluations.wish(host, "tiny", variants=["q8_0"], base=BASE, device="cpu"), chunks=3)
    with pytest.raises(InputError, match="q8_0 is not on the box") as caught:
        place.evaluate(wish)
    assert f"invoke quantize --host {host.name} --model tiny" in str(caught.value.hint)
    with pytest.raises(InputError, match="none is not on the box"):
        place.evaluate(evaluations.wish(host, "tiny", variants=[BASE], base=f"{MODELS}/none.gguf", device="cpu"))


@pytest.fixture
def wrapped(place: Place):
    """Put a script in the place of the program: `real` is the program itself."""
    place.lab.ssh(f"mv {WRAPPED} /usr/bin/real-perplexity")

    def write(script: str) -> None:
        place.lab.ssh(f"cat > {WRAPPED} && chmod 755 {WRAPPED}", stdin=f"#!/bin/bash\n{script}\n")

    yield write
    place.lab.ssh(f"mv /usr/bin/real-perplexity {WRAPPED}")


def test_statistics_that_are_lost_are_those_of_the_last_row(place: Place, wrapped: Callable[[str], None]) -> None:
    wrapped("/usr/bin/real-perplexity \"$@\" 2>&1 | sed '/^====== Perplexity/,$d; /Final estimate/d'")
    found = place.evaluate(place.wish("bad", chunks=7))
    [text] = found.texts
    assert text.base.cumulative
    assert text.runs["bad"].cumulative
    assert text.base.measures["ppl"].error is None
    assert "code, bad: the final statistics were lost; the numbers are those of the last row" in lines(found)


def test_without_the_last_row_there_is_no_number(place: Place, wrapped: Callable[[str], None]) -> None:
    wrapped("/usr/bin/real-perplexity \"$@\" 2>&1 | sed '/^\\[1\\]/d; /Final estimate/d'")
    with pytest.raises(StrixError, match="lost its last lines in each of 4 runs, so there is no result"):
        place.evaluate(place.wish("bad", chunks=8))
    assert place.ran("run ") == ["(base)"] * 4


def test_logits_that_are_not_whole_are_told(place: Place, wrapped: Callable[[str], None]) -> None:
    """As on a full disk: the program ends with 0, and its numbers are right."""
    wrapped('/usr/bin/real-perplexity "$@" 2>&1; truncate -s -100 "${@: -1}"')
    with pytest.raises(StrixError, match="the base's logits were not written whole"):
        place.evaluate(place.wish("bad", chunks=9))
