"""`invoke models` on a box: what is listed, what a verification finds, and that a kept release's model survives."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from strixkit.display.models import lines
from strixkit.engine.events import Event
from strixkit.errors import InputError
from strixkit.fleet import verbs
from strixkit.fleet.models import listed, pruned, verified
from strixkit.fleet.verbs import Access
from strixkit.host.cache import sha256
from strixkit.host.models import Found, Models
from strixkit.sandbox.tinymodel import write_tiny_model
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box
MODELS = "/var/lib/strixkit/models"
INCOMING = "/var/lib/strixkit/incoming"
HALF = "d" * 64


@dataclass(frozen=True)
class Place:
    """A box whose service was deployed with one model and then another; both, as files there."""

    lab: Lab
    kept: str
    current: str


@pytest.fixture(scope="module")
def place(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    paths = []
    for name in ("one", "two"):
        lab.model = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf", name=name)
        outcome = lab.deploy()
        assert outcome.ok, (outcome.error, outcome.log)
        paths.append(named("tiny", lab.model))
    return Place(lab, *paths)


def named(stem: str, file: Path) -> str:
    """Where strixkit puts it."""
    return f"{MODELS}/{stem}-{sha256(file)[:12]}.gguf"


def of(found: Models, path: str) -> Found:
    [item] = [item for item in found.files if item.path == path]
    return item


def check(place: Place, *, full: bool = False) -> tuple[Models, list[Event]]:
    events: list[Event] = []
    found = verified(place.lab.host(), Access(), events.append, full=full)
    print("\n".join(lines(found, verified=True)))
    return found, events


def read(events: list[Event]) -> set[str]:
    """The files that were looked at."""
    return {event.resource.removeprefix("checked_model:") for event in events if event.kind == "fixed"}


def test_listed_with_who_uses_them(place: Place) -> None:
    found = listed(place.lab.host(), Access(), lambda _: None)
    print("\n".join(lines(found)))
    assert {item.path for item in found.files} == {place.kept, place.current}
    current = of(found, place.current)
    assert (current.used_by, current.wanted) == ((f"main/{place.lab.current()}",), True)
    kept = of(found, place.kept)
    assert len(kept.used_by) == 1
    assert kept.used_by != current.used_by
    assert kept.known
    assert (kept.known.model, kept.sha256[:12]) == ("tiny", place.kept[-17:-5])
    assert found.prunable == ()
    assert 0 < found.free_bytes <= found.total_bytes


def test_verify_reads_each_once(place: Place) -> None:
    found, events = check(place)
    assert [item.faults for item in found.files] == [[], []]
    assert {str(item.checked["verdict"]) for item in found.files if item.checked} == {"good"}
    assert read(events) >= {place.kept, place.current}
    again, events = check(place)
    assert [item.faults for item in again.files] == [[], []]
    assert read(events) == set()


def test_a_flipped_byte_is_found(place: Place) -> None:
    """At once where the file's time tells that it was written to; where that lies too, by --full."""
    lab, path = place.lab, shlex.quote(place.kept)
    flip = f"printf '\\x55' | dd of={path} bs=1 seek=3000000 conv=notrunc status=none"
    lab.ssh(f"cp -p {path} /root/whole && touch -r {path} /root/time && {flip} && touch -r /root/time {path}")
    found, events = check(place)
    assert (of(found, place.kept).faults, read(events)) == ([], set())
    found, events = check(place, full=True)
    assert "DIFFERS" in of(found, place.kept).differs
    assert read(events) >= {place.kept, place.current}
    assert not of(found, place.current).faults
    lab.ssh(f"cat /root/whole > {path}")
    found, events = check(place)
    assert read(events) == {place.kept}
    assert of(found, place.kept).faults == []


def test_a_truncated_file_is_bad(place: Place) -> None:
    place.lab.ssh(f"head -c 3000000 {shlex.quote(place.current)} > {MODELS}/cut.gguf")
    found, events = check(place)
    assert read(events) == {f"{MODELS}/cut.gguf"}
    [fault] = of(found, f"{MODELS}/cut.gguf").faults
    assert fault.startswith("BAD: ")


def test_a_verification_goes_on_without_its_controller(place: Place) -> None:
    lab = place.lab
    lab.ssh(f"cp {shlex.quote(place.current)} {MODELS}/copy.gguf")

    def leave(event: Event) -> None:
        if event.kind == "progress" and "strix-verify" in event.text:
            raise Abandoned

    with pytest.raises(Abandoned):
        verified(lab.host(), Access(), leave, full=False)
    found, events = check(place)
    assert of(found, f"{MODELS}/copy.gguf").faults == []
    assert "attaching" in " ".join(event.text for event in events) or not read(events)


def test_prune_by_name_and_unused(place: Place, tiny_model: Path, tmp_path: Path) -> None:
    lab = place.lab
    old = write_tiny_model(tmp_path / "old.gguf", name="old")
    lab.put(old, named("old", old))
    lab.ssh(
        f"rm {MODELS}/cut.gguf; echo precious > /root/precious; ln -s /root/precious {MODELS}/link.gguf; "
        f"mkdir -p {INCOMING}/{HALF} && echo half > {INCOMING}/{HALF}/data; ln -s /root {INCOMING}/{HALF}/out; "
        f"touch -h -d '3 days ago' {INCOMING}/{HALF}/* {INCOMING}/{HALF}; "
        f"echo new > {MODELS}/.strixkit-{'e' * 64}.partial; "
        f"echo old > {MODELS}/.strixkit-{'f' * 64}.partial; touch -d '2 days ago' {MODELS}/.strixkit-f*"
    )
    found, _ = check(place)
    going = {named("old", old), f"{INCOMING}/{HALF}", f"{MODELS}/.strixkit-{'f' * 64}.partial"}
    assert {path for path, _ in found.prunable} == going

    for name in (place.kept, place.current.rpartition("/")[2]):
        with pytest.raises(InputError, match=r"is used by main/.*, so it stays; nothing was removed"):
            pruned(lab.host(), Access(), lambda _: None, [name])
    with pytest.raises(InputError, match=r"unknown file 'coppy\.gguf'; did you mean 'copy\.gguf'"):
        pruned(lab.host(), Access(), lambda _: None, ["coppy.gguf"])

    after = pruned(lab.host(), Access(), lambda _: None, ["unused", "link.gguf"])
    print("\n".join(lines(after)))
    assert {path for path, _ in after.removed} == going | {f"{MODELS}/link.gguf"}
    assert lab.ssh("cat /root/precious && test -e /root/whole && echo there").split() == ["precious", "there"]
    left = {place.kept, place.current, f"{MODELS}/copy.gguf", f"{MODELS}/.strixkit-{'e' * 64}.partial"}
    assert set(lab.ssh(f"find {MODELS} {INCOMING} -type f -o -type l").split()) == left

    after = pruned(lab.host(), Access(), lambda _: None, ["copy.gguf"])
    assert [path for path, _ in after.removed] == [f"{MODELS}/copy.gguf"]
    back = verbs.rollback(lab.host(), Access(), lambda _: None, service="main")
    assert back.ok, (back.error, back.log)
    assert of(listed(lab.host(), Access(), lambda _: None), place.kept).used_by == (f"main/{lab.current()}",)
