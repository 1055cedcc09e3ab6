"""The programs of native/, built once a session, and what strix-verify says of a file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.native.build import build, lacking, lacking_for_fuzzing

Verify = Callable[..., dict[str, Any]]
# strix-probe's backends for GPUs are built and run in a box (tests/box/test_probe.py), whatever this machine has.
NO_GPU = ("-DSTRIX_PROBE_VULKAN=OFF", "-DSTRIX_PROBE_HIP=OFF")
RELEASE = ("-DSTRIX_TESTS=ON", "-DCMAKE_BUILD_TYPE=Release", *NO_GPU)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is native."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.native)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The build folder with strix-verify and the unit tests."""
    if missing := lacking():
        pytest.skip(f"native/ cannot be built without {', '.join(missing)} (apt-get install them)")
    return build("release", RELEASE, ["strix-verify", "strix-native-tests"])


@pytest.fixture(scope="session")
def fuzzers() -> Path:
    """The build folder of clang, with sanitizers: the fuzz targets and the unit tests."""
    if missing := lacking_for_fuzzing():
        pytest.skip(f"the fuzz targets cannot be built without {', '.join(missing)} (apt-get install them)")
    options = [
        "-DSTRIX_FUZZ=ON",
        "-DSTRIX_TESTS=ON",
        "-DCMAKE_CXX_COMPILER=clang++",
        "-DCMAKE_BUILD_TYPE=None",
        "-DCMAKE_CXX_FLAGS=-O1",  # with sanitizers, more takes longer to compile than it saves in these seconds
        *NO_GPU,
    ]
    return build("fuzz", options, ["fuzz-file", "fuzz-codec", "strix-native-tests"])


@pytest.fixture(scope="session")
def program(tools: Path) -> Path:
    """strix-verify itself."""
    return tools / "verify/strix-verify"


@pytest.fixture(scope="session")
def verify(program: Path) -> Verify:
    """What `strix-verify --json` says of one file; its exit status must fit its verdict."""

    def run(path: Path, *options: str) -> dict[str, Any]:
        done = subprocess.run([program, "--json", *options, path], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        answer = json.loads(done.stdout)
        assert answer["schema"] == 1
        (file,) = answer["files"]
        assert isinstance(file, dict)
        assert done.returncode == ["good", "bad", "unreadable"].index(file["verdict"])
        return file

    return run
