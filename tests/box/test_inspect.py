"""`invoke inspect HOST:PATH`: the agent reads the header on a real box, as root or not, and sends no weights."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from strixkit.errors import InputError
from strixkit.fleet.inspect import inspect_file
from strixkit.fleet.verbs import Access
from strixkit.sources.place import Place, place_of
from tests.box.lab import Lab

pytestmark = pytest.mark.box
STRIX = Path(__file__).parents[1] / "data/gguf/tiny-pred-strix.gguf"


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    for path, name in ((STRIX, "strix.gguf"), (tiny_model, "f16.gguf")):
        subprocess.run(
            ["ssh", *lab.options(), f"root@{box.address}", f"cat > /srv/{name}"], input=path.read_bytes(), check=True
        )
    return lab


def look(lab: Lab, path: str, *, user: str = "root", become: bool | None = None):
    host = lab.host().model_copy(update={"user": user, "become": become})
    place = place_of(f"{lab.box.name}:{path}")
    assert place == Place("box", path, lab.box.name)
    return inspect_file(place, host, Access())


def test_a_file_on_the_box_is_as_the_same_file_here(lab: Lab) -> None:
    there, here = look(lab, "/srv/strix.gguf"), inspect_file(Place("local", str(STRIX)), None, Access())
    assert [file.name for file in there.files] == [f"{lab.box.name}:/srv/strix.gguf"]
    assert there.model_copy(update={"files": ()}) == here.model_copy(update={"files": ()})
    loads = {verdict.runtime: verdict.loads for verdict in there.runtimes}
    assert {name for name, able in loads.items() if not able} == {"debian", "llama.cpp"}
    assert loads["rocmfp4"]
    assert all(verdict.loads for verdict in look(lab, "/srv/f16.gguf").runtimes)


def test_without_root_what_the_user_may_read_is_read(lab: Lab) -> None:
    assert look(lab, "/srv/strix.gguf", user="guest", become=False).architecture == "qwen35"
    lab.ssh("install -m 600 /srv/strix.gguf /srv/secret.gguf")
    with pytest.raises(InputError, match="may not be read by the ssh user; set ansible_become"):
        look(lab, "/srv/secret.gguf", user="guest", become=False)
    assert look(lab, "/srv/secret.gguf").architecture == "qwen35"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/srv/none.gguf", "/srv/none.gguf is not on the box"),
        ("/etc/passwd", "not a GGUF file"),
        ("/dev/zero", "no regular file"),
        ("/srv", "no regular file"),
        ("/srv/zeros.gguf", "an interrupted quantise"),
    ],
)
def test_what_is_no_gguf_is_said_with_the_host(lab: Lab, path: str, words: str) -> None:
    lab.ssh("truncate -s 1T /srv/zeros.gguf")
    with pytest.raises(InputError, match=words) as caught:
        look(lab, path)
    assert str(caught.value).startswith(f"{lab.box.name}: ")


def test_a_truncated_file_and_a_missing_part_are_problems(lab: Lab) -> None:
    lab.ssh("head -c 100000 /srv/strix.gguf > /srv/m-00001-of-00002.gguf")
    found = look(lab, "/srv/m-00001-of-00002.gguf")
    text = "\n".join(found.problems)
    assert "part 2 of 2: /srv/m-00002-of-00002.gguf is not on the box" in text
    assert "the file is truncated: it has 100000 bytes" in text
    assert not any(verdict.loads for verdict in found.runtimes)


def test_looking_leaves_nothing_on_the_box(lab: Lab) -> None:
    before = lab.ssh("find /var/lib/strixkit /run/strixkit /tmp 2>/dev/null | sort", check=False)
    look(lab, "/srv/strix.gguf")
    assert lab.ssh("find /var/lib/strixkit /run/strixkit /tmp 2>/dev/null | sort", check=False) == before


def test_the_host_of_the_place_must_be_in_the_inventory() -> None:
    with pytest.raises(InputError, match="no host of the inventory"):
        inspect_file(dataclasses.replace(place_of("box01:/x"), host="nobody"), None, Access())
