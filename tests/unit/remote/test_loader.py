"""What the loader's cache lacks and has too much, as the real ldconfig says it of a cache and a list of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from strixkit.remote.agent import loader

NAME = "libm.so.6"


class Machine:
    """Folders with a library, the loader's list of folders, and its cache."""

    def __init__(self, root: Path) -> None:
        self.root, self.list, self.cache = root, root / "ld.so.conf", root / "ld.so.cache"
        self.list.write_text("")

    def folder(self, name: str) -> str:
        said = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
        [library] = re.findall(rf"{re.escape(NAME)} \(libc6,x86-64.*\) => (.*)", said)[:1]
        (self.root / name).mkdir(parents=True)
        shutil.copy(library, self.root / name / NAME)
        return str(self.root / name)

    def name(self, *folders: str) -> None:
        self.list.write_text("".join(f"{folder}\n" for folder in folders))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    if shutil.which("/sbin/ldconfig") is None:
        pytest.skip("needs ldconfig")
    made = Machine(tmp_path)
    words = ("/sbin/ldconfig", "-X", "-f", str(made.list), "-C", str(made.cache))
    monkeypatch.setattr(loader, "LDCONFIG", words)
    monkeypatch.setattr(loader, "CACHE", str(made.cache))
    return made


def test_what_is_named_and_not_yet_in_the_cache(machine: Machine) -> None:
    folder = machine.folder("lib")
    loader.refresh()
    assert loader.differences([folder]) == {"missing": [], "stale": []}, "nobody names it"
    machine.name(folder)
    assert loader.differences([folder]) == {"missing": [NAME], "stale": []}
    loader.refresh()
    assert loader.differences([folder]) == {"missing": [], "stale": []}


def test_what_nobody_names_any_more(machine: Machine) -> None:
    folder = machine.folder("lib")
    machine.name(folder)
    loader.refresh()
    machine.name()
    assert loader.differences([folder]) == {"missing": [], "stale": [NAME]}
    shutil.rmtree(folder)
    assert loader.differences([folder]) == {"missing": [], "stale": [NAME]}, "with its package"
    loader.refresh()
    assert loader.differences([folder]) == {"missing": [], "stale": []}


def test_a_folder_that_is_not_there(machine: Machine) -> None:
    machine.name("/nonexistent/lib")
    loader.refresh()
    assert loader.differences(["/nonexistent/lib"]) == {"missing": [], "stale": []}


@pytest.mark.parametrize("named", [["real"], ["link"], ["real", "link"], ["link", "real"]])
def test_a_folder_has_several_names(machine: Machine, named: list[str]) -> None:
    """As /opt/rocm/lib and /opt/rocm-7.2.4/lib: the cache has each library once, by the name that came first."""
    real = machine.folder("real")
    link = str(machine.root / "link")
    Path(link).symlink_to("real")
    machine.name(*({"real": real, "link": link}[name] for name in named))
    for folder in (real, link):
        assert loader.differences([folder])["missing"] == [NAME]
    loader.refresh()
    for folder in (real, link):
        assert loader.differences([folder]) == {"missing": [], "stale": []}
    machine.name()
    assert loader.differences([real])["stale"] == [NAME]


def test_a_cache_that_a_power_cut_left_empty(machine: Machine) -> None:
    folder = machine.folder("lib")
    machine.name(folder)
    machine.cache.write_bytes(b"")
    assert loader.differences([folder]) == {"missing": [NAME], "stale": []}


def test_libraries_of_processor_levels_are_other_folders() -> None:
    said = (
        "/opt/x/lib: (from /etc/ld.so.conf.d/x.conf:1)\n\tlibx.so.1 -> libx.so.1.2\n"
        '/opt/x/lib/glibc-hwcaps/x86-64-v3: (hwcap: "x86-64-v3")\n\tliby.so.1 -> liby.so.1\n'
    )
    assert loader.would_be(said)["/opt/x/lib"] == {"libx.so.1"}
    said = '\tlibx.so.1 (libc6,x86-64, hwcap: "x86-64-v3", OS ABI: Linux 3.2.0) => /opt/x/lib/libx.so.1\n'
    assert loader.cached("1 libs found in cache `/etc/ld.so.cache'\n" + said) == {"/opt/x/lib": {"libx.so.1"}}


def test_a_cache_that_cannot_be_made(machine: Machine) -> None:
    machine.cache.mkdir()
    with pytest.raises(RuntimeError, match="ldconfig: "):
        loader.refresh()
