"""`invoke quantize` on a box: Debian's own tools make all variants of the tiny model, and what goes wrong is told.

On the processor: software Vulkan would take a quarter of an hour for the importance matrix.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from strixkit.config.catalogue import Model, load_model
from strixkit.config.evaluation import HeldOut
from strixkit.config.host import Service
from strixkit.config.source import ModelSource
from strixkit.display.made import document, lines
from strixkit.engine.events import Event, ignore
from strixkit.errors import InputError
from strixkit.fleet import quantize as verb
from strixkit.fleet import verbs
from strixkit.fleet.quantize import Made
from strixkit.host.making import made_paths, making
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box
MADE = "/var/lib/strixkit/made"
FILES = ("tiny_calibration.txt", "tiny.imatrix", "tiny-q8_0.gguf", "tiny-q4_0.gguf", "tiny-q4_0-embF16.gguf")


@dataclass
class Place:
    """A box, and the recipe of the tiny model with sources of the test."""

    lab: Lab
    entry: Model
    corpus: Path

    def make(
        self,
        variant: str | None = None,
        *,
        entry: Model | None = None,
        hold_at: str = "",
        on_event: Callable[[Event], None] | None = None,
    ) -> Made:
        self.lab.events.clear()

        def emit(event: Event) -> None:
            self.lab.events.append(event)
            if on_event is not None:
                on_event(event)

        wanted = making("tiny", variant, entry or self.entry)
        return verb.quantize(self.lab.host(), verbs.Access(), emit, wanted, hold_at=hold_at)

    def plan(self, entry: Model | None = None) -> Made:
        return verb.plan(self.lab.host(), verbs.Access(), ignore, making("tiny", None, entry or self.entry))

    def said(self, text: str) -> bool:
        return any(text in event.text for event in self.lab.events)

    def stamps(self) -> dict[str, str]:
        """Inode and time of each made file that is there."""
        lines = self.lab.ssh(f"cd {MADE} 2>/dev/null && stat -c '%n %i:%Y' -- * 2>/dev/null", check=False).splitlines()
        found = dict(line.split(" ", 1) for line in lines)
        return {name: found[name] for name in FILES if name in found}

    def forget(self, *names: str) -> None:
        self.lab.ssh(" ".join(["rm -f", *(f"{MADE}/{name}" for name in names)]))


def entry_of(model: Path, corpus: Path) -> Model:
    """The catalogue's model; its file, and one of the two texts, are the test's."""
    entry = load_model("tiny")
    assert entry.recipe is not None
    assert entry.recipe.imatrix is not None
    calibration = entry.recipe.imatrix.calibration
    texts = (HeldOut(source=ModelSource(controller=str(corpus))), calibration.texts[1])
    imatrix = entry.recipe.imatrix.model_copy(update={"calibration": calibration.model_copy(update={"texts": texts})})
    recipe = entry.recipe.model_copy(update={"source": (ModelSource(controller=str(model)),), "imatrix": imatrix})
    return entry.model_copy(update={"recipe": recipe})


def with_type(entry: Model, variant: str, name: str) -> Model:
    assert entry.recipe is not None
    variants = {**entry.recipe.variants}
    variants[variant] = variants[variant].model_copy(update={"type": name})
    return entry.model_copy(update={"recipe": entry.recipe.model_copy(update={"variants": variants})})


@pytest.fixture(scope="module")
def place(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    lab.ssh("apt-get update -qq")
    corpus = tmp_path_factory.mktemp("corpus") / "known.txt"
    corpus.write_text("abcdefghijklm</think>\n\nnopqrstuvwxyz\n" * 50)
    return Place(lab, entry_of(tiny_model, corpus), corpus)


def test_a_type_that_the_tool_does_not_know_is_refused_before_anything_happens(place: Place) -> None:
    said = "does not know type {} of variant q4_0, by its llama-quantize --help"
    for name, hint in (("Q4_9", "did you mean 'Q4_"), ("Q4_0_ROCMFP4", "strix_runtime: rocmfp4 or ")):
        with pytest.raises(InputError) as caught:
            place.make(entry=with_type(place.entry, "q4_0", name))
        assert said.format(name) in str(caught.value)
        assert hint in str(caught.value)
    assert not place.lab.ssh("ls /var/lib/strixkit 2>/dev/null", check=False)


def test_all_variants_are_made_and_a_second_run_makes_none(place: Place) -> None:
    assert [path.rpartition("/")[2] for path in made_paths(making("tiny", None, place.entry))] == [*FILES]
    made = place.make()
    assert made.outcome.ok, (made.outcome.error, made.outcome.log)
    assert [item.file for item in made.files] == [*FILES]
    by_file = {item.file: item for item in made.files}
    imatrix = by_file["tiny.imatrix"]
    assert imatrix.chunks == 5
    assert {check.what: check.found for check in imatrix.checks}["tensors with data"] == "62"
    assert imatrix.seconds > 0
    head = by_file["tiny-q4_0-embF16.gguf"]
    types = {check.what: check.found for check in head.checks}
    assert types["^token_embd\\.weight$"] == "f16 (1)"
    assert types["^output\\.weight$"] == "q6_k (1)"
    assert all(check.ok for item in made.files for check in item.checks)
    assert "output.weight" in head.unweighted
    assert {item.name for item in head.inputs} == {"source", "imatrix"}
    assert {item.sha256 for item in head.inputs if item.name == "imatrix"} == {imatrix.sha256}
    for item in made.files:
        assert place.lab.ssh(f"sha256sum {item.path}").split()[0] == item.sha256
    assert place.said("chunk 5 of 5")
    assert place.said("tensor 124 of 124")
    table = "\n".join(lines(made))
    assert "5 chunks" in table
    assert json.loads(json.dumps(document(made)))["made"][4]["sha256"] == head.sha256
    stamps = place.stamps()
    again = place.make()
    assert again.outcome.ok
    assert not again.outcome.changes
    assert again.outcome.round_trips == 2
    assert again.files == made.files
    assert place.stamps() == stamps
    assert not place.lab.ssh(f"ls -d {MADE}/.making-* 2>/dev/null", check=False)
    place.forget("tiny-q4_0.gguf")
    [change] = place.plan().outcome.changes
    assert (change.resource, change.found) == (f"product:{MADE}/tiny-q4_0.gguf", "absent")
    assert change.wanted == "made by quantize, 12.4 MB at most"


def test_the_tool_ran_as_nobody_who_can_do_anything(place: Place) -> None:
    """Its log is root's, and so is what it made."""
    assert place.make().outcome.ok
    for name in FILES[1:]:
        assert place.lab.ssh(f"stat -c '%U %a' {MADE}/{name} {MADE}/{name}.log").split("\n")[:2] == ["root 644"] * 2


def test_only_what_depends_on_a_changed_text_is_made_again(place: Place) -> None:
    assert place.make().outcome.ok
    before = place.stamps()
    place.corpus.write_text("abcdefghijklm</think>\n\nnopqrstuvwxyz<|im_end|>\n" * 60)
    made = place.make()
    assert made.outcome.ok, (made.outcome.error, made.outcome.log)
    after = place.stamps()
    assert [name for name in FILES if after[name] == before[name]] == ["tiny-q8_0.gguf"]


def test_a_run_goes_on_after_the_loss_of_connection_and_job(place: Place) -> None:
    place.forget(*FILES[1:])

    def leave(event: Event) -> None:
        if event.text == "imatrix":
            raise Abandoned

    with pytest.raises(Abandoned):
        place.make("q4_0", on_event=leave)
    tool = place.lab.ssh("systemctl show -p MainPID --value 'strixkit-make-*.service'").strip()
    assert int(tool) > 1
    place.lab.ssh("systemctl kill --kill-whom=all --signal=KILL 'strixkit-job-*.service'; sleep 1")
    assert place.lab.ssh("systemctl show -p MainPID --value 'strixkit-make-*.service'").strip() == tool
    assert place.lab.ssh(f"stat -c %U /proc/{tool}").strip() == "llama"
    made = place.make("q4_0")
    assert made.outcome.ok, (made.outcome.error, made.outcome.log)
    assert place.said("attached to strixkit-make-")
    assert {check.what: check.found for check in made.files[1].checks}["chunks"] == str(made.files[1].chunks)


def test_a_tool_that_is_killed_is_said_and_begun_again(place: Place) -> None:
    place.forget("tiny.imatrix", "tiny-q4_0.gguf")

    def kill(event: Event) -> None:
        if event.text == "imatrix":
            place.lab.ssh("systemctl kill --signal=KILL 'strixkit-make-*.service'")

    made = place.make("q4_0", on_event=kill)
    assert "llama-imatrix failed (signal)" in made.outcome.error
    assert "tiny.imatrix" not in place.stamps()
    made = place.make("q4_0")
    assert made.outcome.ok, (made.outcome.error, made.outcome.log)


def test_a_full_disk_is_said_before_and_in_the_middle(place: Place) -> None:
    assert place.make().outcome.ok
    place.lab.ssh(f"mkdir -p /run/kept && cp -a {MADE}/. /run/kept/ && mount -t tmpfs -o size=8m,mode=755 tmpfs {MADE}")
    try:
        with pytest.raises(
            InputError, match=r"tiny-q8_0.gguf takes 12.4 MB at most, and .* more than is free \(8.4 MB\)"
        ):
            place.make("q8_0")
        place.lab.ssh(f"mount -o remount,size=16m {MADE}")
        point = f"0:make:product:{MADE}/tiny-q8_0.gguf"

        def fill(event: Event) -> None:
            if event.kind == "held":
                place.lab.ssh(f"head -c 13M /dev/zero > {MADE}/fill; touch /run/strixkit/go-on")

        made = place.make("q8_0", hold_at=point, on_event=fill)
        assert "no space left on the disk: make room there" in made.outcome.error
        assert "tiny-q8_0.gguf" not in place.stamps()
        place.lab.ssh(f"rm {MADE}/fill")
        made = place.make("q8_0")
        assert made.outcome.ok, (made.outcome.error, made.outcome.log)
    finally:
        place.lab.ssh(f"umount {MADE}")


def test_what_is_not_as_expected_is_not_put_in_place(place: Place) -> None:
    place.forget("tiny-q8_0.gguf")
    assert place.entry.recipe is not None
    variants = {**place.entry.recipe.variants}
    wrong = variants["q8_0"].expected.model_copy(update={"rest": "q4_0", "bits_per_weight": 4.5})
    variants["q8_0"] = variants["q8_0"].model_copy(update={"expected": wrong})
    recipe = place.entry.recipe.model_copy(update={"variants": variants})
    made = place.make("q8_0", entry=place.entry.model_copy(update={"recipe": recipe}))
    assert "bits per weight: found 8.571, wanted 4.5, 1 % more or less" in made.outcome.error
    assert "other matrices: found q8_0 (72): " in made.outcome.error
    assert "tiny-q8_0.gguf" not in place.stamps()
    # With the expectation put right, the file that the tool has made is looked at again.
    made = place.make("q8_0")
    assert made.outcome.ok, (made.outcome.error, made.outcome.log)
    assert not place.said("tensor ")


def test_a_service_that_uses_a_made_file_has_its_provenance(place: Place) -> None:
    made = place.make("q4_0")
    assert made.outcome.ok, (made.outcome.error, made.outcome.log)
    host = place.lab.host()
    service = Service(profile="coding", model="tiny", variant="q4_0")
    host = host.model_copy(update={"services": {"main": service}})
    outcome = verbs.deploy(host, verbs.Access(), ignore, what="test", profiles={})
    assert outcome.ok, (outcome.error, outcome.log)
    manifest = json.loads(place.lab.ssh("cat /var/lib/strixkit/services/main/current/manifest.json"))
    assert manifest["model"]["path"] == f"{MADE}/tiny-q4_0.gguf"
    found = manifest["provenance"]
    assert found["sha256"] == made.files[-1].sha256
    assert found["argv"] == list(made.files[-1].argv)
    assert found["runtime"]["name"] == "debian"
