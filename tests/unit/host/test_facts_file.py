"""Saving facts: a file that `plan --facts` takes, and nothing else of a person's that is lost for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from strixkit.errors import InputError
from strixkit.host.facts_file import load_answer, load_facts, save_facts, targets
from tests import trees

FACTS = trees.facts_of("strix-64gb-bare")


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    save_facts(tmp_path / "box.json", "box on a day", FACTS)
    assert load_facts(tmp_path / "box.json") == FACTS
    assert load_answer(tmp_path / "box.json")["source"] == "box on a day"
    assert [path.name for path in tmp_path.iterdir()] == ["box.json"]


def test_a_facts_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "box.json"
    save_facts(path, "first", FACTS)
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    (tmp_path / "link.json").symlink_to("box.json")
    save_facts(tmp_path / "link.json", "second", FACTS)
    assert json.loads(path.read_text())["source"] == "second", "a link stays one: what it points to is written"
    assert (tmp_path / "link.json").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "notes of a person", '{"no": "facts"}', "[]", "\xff"])
def test_what_holds_no_facts_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text(text, encoding="latin-1")
    for save in (lambda: targets(str(path), ["box"]), lambda: save_facts(path, "x", FACTS)):
        with pytest.raises(InputError, match="is there and is no facts file; it is left as it is"):
            save()
    assert path.read_text(encoding="latin-1") == text
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_device_is_no_place(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        with pytest.raises(InputError, match="is no facts file"):
            targets(path, ["box"])


def test_one_file_or_a_folder(tmp_path: Path) -> None:
    assert targets(str(tmp_path / "x.json"), ["box"]) == {"box": tmp_path / "x.json"}
    assert targets(str(tmp_path), ["box"]) == {"box": tmp_path / "box.json"}
    two = {"a": tmp_path / "a.json", "b": tmp_path / "b.json"}
    assert targets(f"{tmp_path}/", ["a", "b"]) == two
    with pytest.raises(InputError, match=r"is one file for 2 hosts(.|\n)*--save .*x\.json/"):
        targets(str(tmp_path / "x.json"), ["a", "b"])
    for place in (f"{tmp_path}/new/", f"{tmp_path}/new/x.json"):
        with pytest.raises(InputError, match=r"there is no folder .*/new(.|\n)*mkdir -p"):
            targets(place, ["a"])


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save_facts(tmp_path / "gone" / "x.json", "x", FACTS)
