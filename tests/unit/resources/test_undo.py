"""Every kind says how a person takes it back, and what it says is safe to paste."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shlex
import subprocess
from pathlib import Path

import pytest

from strixkit import resources
from strixkit.resources.activation import Activation
from strixkit.resources.artifact import Artifact
from strixkit.resources.base import Resource
from strixkit.resources.directory import Directory
from strixkit.resources.file import File
from strixkit.resources.key import Key
from strixkit.resources.library_path import LibraryPath
from strixkit.resources.packages import Packages
from strixkit.resources.release import Release
from strixkit.resources.symlink import Symlink
from strixkit.resources.template import Template
from strixkit.resources.unit import Unit
from strixkit.resources.unset_variable import UnsetVariable
from strixkit.resources.user import Group, User

ODD = "/srv/it's $(here) & there"
RELEASE = Release(service="main", release="a" * 12, unit="", candidate="", manifest={}, beside=False)


def _kinds() -> list[type[Resource]]:
    """All kinds of the package, by import: a new one is found without being added here."""
    for module in pkgutil.iter_modules(resources.__path__, f"{resources.__name__}."):
        importlib.import_module(module.name)
    found, waiting = [], [Resource]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += [cls for cls in below if cls.__module__.startswith(f"{resources.__name__}.") and hasattr(cls, "kind")]
        waiting += below
    return sorted(found, key=lambda cls: cls.kind)


@pytest.mark.parametrize("cls", _kinds(), ids=lambda cls: cls.kind)
def test_every_kind_has_one(cls: type[Resource]) -> None:
    assert cls.undo is not Resource.undo, f"{cls.__module__}: {cls.__name__} does not say how to undo it"


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (Artifact(path=ODD, source="/model", sha256="a" * 64), ["rm", ODD]),
        (Directory(path=ODD), ["rmdir", ODD]),
        (File(path=ODD, content=""), ["rm", ODD]),
        (Template(path=ODD, content=""), ["rm", ODD]),
        (Key(path=ODD), ["rm", ODD]),
        (Symlink(path=ODD, target="/x"), ["rm", ODD]),
        (Packages(label="x", names=("gcc", "g++-14")), ["apt-get", "remove", "gcc", "g++-14"]),
        (User(name="llama"), ["userdel", "llama"]),
        (LibraryPath(name="x", folders=(ODD,)), ["rm", "/etc/ld.so.conf.d/x.conf;", "ldconfig"]),
    ],
)
def test_a_line_names_exactly_the_thing(resource: Resource, words: list[str]) -> None:
    assert shlex.split(resource.undo()) == words


@pytest.mark.parametrize("resource", [RELEASE, Unit(name="a@b.service", content="")])
def test_a_service_is_stopped_before_its_unit_goes(resource: Resource) -> None:
    stop, remove, reload = resource.undo().split("; ")
    assert stop.startswith("systemctl disable --now ")
    assert remove.startswith("rm ")
    assert reload == "systemctl daemon-reload"


@pytest.mark.parametrize(
    "resource",
    [
        Artifact(path="/srv/own.gguf"),
        Group(name="render"),
        Activation(service="main", release="a" * 12),
    ],
)
def test_words_are_in_brackets(resource: Resource) -> None:
    assert resource.undo().startswith("(")
    assert resource.undo().endswith(")")


@pytest.mark.parametrize(
    "resource", [File(path="/etc/it's", content=None), UnsetVariable(path="/etc/it's", name="X")], ids=lambda r: r.kind
)
def test_what_was_changed_or_removed_comes_back_from_its_newest_copy(resource: Resource, tmp_path: Path) -> None:
    """In a shell, with a folder and another file whose names begin alike."""
    copies = tmp_path / "var/lib/strixkit/backup/etc"
    (copies / "it's.d").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    for number, text in enumerate(("old", "new"), start=1):
        (copies / f"it's.{number}").write_text(text)
        os.utime(copies / f"it's.{number}", (number, number))
    line = resource.undo().replace("/var/", f"{tmp_path}/var/").replace("'/etc/", f"'{tmp_path}/etc/")
    subprocess.run(["sh", "-ec", line], check=True)
    assert (tmp_path / "etc/it's").read_text() == "new"
