"""`invoke build` and a deploy with a runtime from source: from the lock to a release that passes the gate, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from strixkit.engine.events import ignore
from strixkit.engine.values import Outcome
from strixkit.fleet import build, verbs
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT
from tests.box import gitserver, thin
from tests.box.gitserver import Repository
from tests.box.lab import Lab
from tests.box.shaders import CACHE, carry

pytestmark = [pytest.mark.box, pytest.mark.slow]

HARDWARE = Path("strixkit/sandbox/hardware/framework-64gb.json")

WRONG = """\
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
"""
WRONG += thin.MAIN.replace(
    "  return llama_server(count, argv);",
    """\
  for (int i = 1; i + 1 < count; i++) {
    if (std::string(argv[i]) != "-m") continue;
    std::ifstream model(argv[i + 1], std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(model)), {});
    std::fill(bytes.begin() + bytes.size() / 2, bytes.end(), 0);
    std::ofstream("/tmp/wrong.gguf", std::ios::binary) << bytes;
    argv[i + 1] = const_cast<char *>("/tmp/wrong.gguf");
  }
  return llama_server(count, argv);""",
)


@dataclass
class Place:
    """Two boxes of one kind, the second without tools; a repository and its lock."""

    first: Lab
    second: Lab
    repository: Repository
    folder: Path

    def commit(self, **files: str) -> str:
        """Another commit, locked."""
        commit = self.repository.commit({**thin.SOURCES, **files})
        thin.lock(self.folder, self.repository, commit)
        return commit

    def build(self) -> Outcome:
        """`invoke build` on the first box."""
        return build.build(self.first.host(), verbs.Access(), ignore)


@pytest.fixture(scope="module")
def place(boxes, client: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("project")
    serving = gitserver.serving(tmp_path_factory.mktemp("git"))
    with serving as repository, thin.catalogue(folder, thin.NAME, {**thin.ENTRY, "repository": repository.url}):
        first, second = (Lab(box, client, tiny_model, runtime=thin.NAME) for box in boxes(2, HARDWARE))
        made = Place(first, second, repository, folder)
        first.runtime = "debian"
        outcome = first.deploy()
        assert outcome.ok, (outcome.error, outcome.log)
        first.runtime = thin.NAME
        made.commit()
        yield made


@pytest.fixture(scope="module")
def built(place: Place) -> Place:
    served = place.first.running()
    outcome = place.build()
    assert outcome.ok, (outcome.error, outcome.log, outcome.said)
    assert any(change.resource.startswith("build:thin-") for change in outcome.changes)
    assert place.first.running() == served, "a build touches no service"
    return place


def test_a_second_build_does_nothing_in_two_round_trips(built: Place) -> None:
    outcome = built.build()
    assert (outcome.ok, outcome.changes, outcome.round_trips) == (True, [], 2)


def test_from_the_package_to_the_source_and_back(built: Place) -> None:
    """Each way is a release that passes the gate, and the process runs the binary that it names."""
    lab = built.first
    before = lab.running()
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert lab.running() == lab.current() == lab.gated()[-1] != before
    pid = lab.ssh("systemctl show -p MainPID --value llama-server-main.service").strip()
    assert lab.ssh(f"readlink /proc/{pid}/exe").startswith("/var/lib/strixkit/builds/thin-")
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
    again = lab.deploy()
    assert (again.changes, again.round_trips) == ([], 2)
    lab.runtime = "debian"
    try:
        outcome = lab.deploy()
        assert outcome.ok, (outcome.error, outcome.log)
        assert lab.running() == before
    finally:
        lab.runtime = thin.NAME


def test_pushed_to_a_box_that_has_no_tools(built: Place) -> None:
    built.first.ssh("rm -r /var/lib/strixkit/builds/thin-*")  # one command builds and pushes
    carry(built.first.box.root / CACHE, built.second.box.root / CACHE)
    reports = build.build_and_push(built.first.host(), [built.second.host()], verbs.Access(), ignore)
    for report in reports:
        assert report.outcome.ok, (report.outcome.error, report.outcome.log)
    assert built.second.ssh("ls /usr/bin/g++ 2>&1", check=False).endswith("No such file or directory\n")
    again = build.build_and_push(built.first.host(), [built.second.host()], verbs.Access(), ignore)
    assert [(report.outcome.changes, report.outcome.round_trips) for report in again] == [([], 2), ([], 2)]
    outcome = built.second.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert built.second.running() == built.second.current()


def test_a_push_to_another_kind_of_box_is_refused(built: Place) -> None:
    built.second.ssh("sed -i 's/^VERSION_CODENAME=.*/VERSION_CODENAME=sid/' /etc/os-release")
    host = built.second.host()
    unprovisioned = host.model_copy(update={"provisioning": host.provisioning.model_copy(update={"enabled": False})})
    try:
        reports = build.build_and_push(built.first.host(), [unprovisioned], verbs.Access(), ignore)
    finally:
        built.second.ssh("sed -i 's/^VERSION_CODENAME=.*/VERSION_CODENAME=forky/' /etc/os-release")
    assert reports[0].outcome.ok
    error = reports[1].outcome.error
    assert "distribution is debian sid here and debian forky there" in error
    assert f"next: invoke build --host {host.name}" in error


def test_a_build_that_computes_wrong_is_not_used(place: Place) -> None:
    """Its flags, its commit and its device are right, but half of the weights are zero to it."""
    served = place.first.running()
    place.commit(**{"main.cpp": WRONG})
    try:
        for outcome in (place.build(), place.first.deploy()):
            assert not outcome.ok
            assert "CPU computes wrong, so the build is not used" in outcome.error
            assert place.first.running() == served, "a deploy whose build fails stops nothing"
    finally:
        place.commit(**{"main.cpp": thin.MAIN})
