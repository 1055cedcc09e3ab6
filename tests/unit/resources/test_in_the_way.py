"""What lies where a resource must be: accepted, replaced, or refused before any step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strixkit.engine.plan import compare
from strixkit.errors import InputError
from strixkit.remote.agent import observe
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.file import File
from strixkit.resources.key import Key
from strixkit.resources.symlink import Symlink

PATH = "/var/lib/strixkit/models"
ROOTS = {"owner": "root", "group": "root"}
FOLDER = {**ROOTS, "type": "directory", "mode": 0o755}
LINK = {**ROOTS, "type": "symlink", "mode": 0o777, "target": "/data/models"}
DIRECTORY, FILE, SYMLINK = Directory(path=PATH), File(path=PATH, content="x"), Symlink(path=PATH, target="/opt/v1")


def test_a_link_of_roots_to_a_folder_is_as_good_as_the_folder() -> None:
    assert compare([DIRECTORY], [{**LINK, "followed": FOLDER}]).changes == ()


def test_owner_and_mode_are_those_of_the_folder_behind_the_link() -> None:
    plan = compare([DIRECTORY], [{**LINK, "followed": {**FOLDER, "mode": 0o777, "owner": "llama"}}])
    assert [(change.field, change.found) for change in plan.changes] == [("owner", "llama"), ("mode", "0777")]
    assert [step["step"] for step in plan.steps()] == ["mkdir"]


@pytest.mark.parametrize(
    ("resource", "answer", "words"),
    [
        (DIRECTORY, {**ROOTS, "type": "file", "size": 3}, f"{PATH} is a file, wanted a directory: move it away (mv "),
        (DIRECTORY, {**ROOTS, "type": "device"}, "is a device, wanted a directory"),
        (DIRECTORY, {**LINK, "owner": "guest", "followed": FOLDER}, "a symlink that belongs to guest"),
        (DIRECTORY, {**LINK, "followed": {"type": "absent"}}, "a symlink to /data/models, which is not there"),
        (DIRECTORY, {**LINK, "followed": {**ROOTS, "type": "file"}}, "a symlink to /data/models, which is a file"),
        (FILE, FOLDER, "is a directory, wanted a file"),
        (FILE, {**ROOTS, "type": "pipe"}, "is a pipe, wanted a file"),
        (FILE, {**LINK, "owner": "guest"}, "belongs to guest"),
        (File(path=PATH, content=None), FOLDER, "is a directory, wanted nothing"),
        (Key(path=PATH), FOLDER, "wanted a file with a key"),
        (SYMLINK, {**ROOTS, "type": "file", "size": 3}, "is a file, wanted a symlink to /opt/v1"),
        (SYMLINK, FOLDER, "is a directory, wanted a symlink to /opt/v1"),
        (SYMLINK, {**LINK, "owner": "guest"}, "belongs to guest"),
        (Artifact(path=PATH), {"exists": True, "type": "directory"}, "is a directory, wanted a file"),
    ],
)
def test_what_is_in_the_way_is_named_and_nothing_is_planned(resource: Resource, answer: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        compare([resource], [answer], host="strix01")
    assert words in caught.value.message
    assert caught.value.host == "strix01"
    assert "nothing was touched" in str(caught.value)


@pytest.mark.parametrize("answer", [{"type": "absent"}, {**LINK, "followed": FOLDER}])
def test_what_holds_no_content_is_replaced(answer: dict) -> None:
    for resource in (FILE, SYMLINK):
        assert compare([resource], [answer]).changes != ()


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    other = Directory(path="/etc/strixkit")
    with pytest.raises(InputError) as caught:
        compare([DIRECTORY, other], [{**ROOTS, "type": "file"}] * 2)
    assert PATH in caught.value.message
    assert other.path in caught.value.message


def test_the_agent_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    for name, target in (("link", "folder"), ("dangling", "nowhere"), ("circle", "circle")):
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "pipe")

    def answer(name: str) -> dict:
        return observe.path({"path": str(tmp_path / name)})

    assert (answer("link")["type"], answer("link")["followed"]["type"]) == ("symlink", "directory")
    assert answer("link")["followed"]["mode"] == 0o755
    assert answer("dangling")["followed"] == answer("circle")["followed"] == {"type": "absent"}
    assert answer("pipe")["type"] == "pipe"
    assert observe.path({"path": "/dev/null"})["type"] == "device"
