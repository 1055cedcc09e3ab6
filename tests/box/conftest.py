"""Fixtures of the tests that need real boxes. Skipped, with the reason, where none can be had.

client      folder with the boxes' ssh key and known_hosts
boxes       `boxes(2)` boots two fresh boxes, `boxes(1, FILE)` one with the hardware of a file; they end with the module
shaders     what Vulkan has compiled in a box that has ended; it saves the next ones a quarter of a minute of both cores
tiny_model  the demo's model, made once
amd         a repository of ROCm that the tests make, sign and serve themselves
building    a box that builds from a git repository that the tests make and serve; `commit` is what it has at first

Several workers of pytest-xdist run side by side, each with all of this of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strixkit import sandbox
from strixkit.sandbox.image import missing_tools
from strixkit.sandbox.tinymodel import write_tiny_model
from tests.box import builder, gitserver, rocm
from tests.box.lab import Lab
from tests.box.shaders import CACHE, carry

# box01 and its like belong to the person at the machine. Two runs at once need numbers that are apart.
FIRST, COUNT = int(os.environ.get("STRIXKIT_FIRST_TEST_BOX", "51")), 15


def _numbers() -> Iterator[int]:
    """This worker's numbers; one comes again when the boxes of the module that had it have ended."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return itertools.cycle(range(FIRST, FIRST + COUNT)[worker::workers])


NUMBERS = _numbers()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The controller's cache of the tests is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("client")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="session")
def shaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first box finds it empty: its server starts as it does on a new machine."""
    return tmp_path_factory.mktemp("shaders")


@pytest.fixture(scope="module")
def boxes(client: Path, shaders: Path) -> Iterator[Callable[..., list[sandbox.Box]]]:
    if os.geteuid() != 0:
        pytest.skip("boxes need root")
    if missing_tools():
        pytest.skip(f"boxes need {', '.join(missing_tools())}: python -m strixkit.sandbox image installs them")
    made: list[str] = []

    def fresh(count: int, hardware: Path | None = None) -> list[sandbox.Box]:
        names = [f"box{next(NUMBERS)}" for _ in range(count)]
        sandbox.down(names)
        made.extend(names)
        identities = dict.fromkeys(names, hardware) if hardware else None
        up = sandbox.up(names, hardware=identities, client=client, report=print)
        for box in up:
            carry(shaders, box.root / CACHE)
            # dpkg's syncs take minutes while other tests keep the disk busy.
            (box.root / "etc/dpkg/dpkg.cfg.d/quick").write_text("force-unsafe-io\n")
        return up

    yield fresh
    if made:
        for box in sandbox.boxes():
            if box.name in made and not any(shaders.iterdir()):
                carry(box.root / CACHE, shaders)
        sandbox.down(made)


@pytest.fixture(scope="module")
def amd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rocm.Amd]:
    with rocm.served(tmp_path_factory.mktemp("amd")) as amd:
        yield amd


@pytest.fixture(scope="module")
def building(boxes, client: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[builder.Builder]:
    if shutil.which("git") is None:
        pytest.skip("a repository needs git")
    with gitserver.serving(tmp_path_factory.mktemp("git")) as toy:
        lab = Lab(boxes(1)[0], client, Path("/nowhere/none.gguf"))
        builder.prepare(lab)
        yield builder.Builder(lab, toy)


@pytest.fixture(scope="module")
def commit(building: builder.Builder) -> str:
    return building.toy.commit(gitserver.TOY)
