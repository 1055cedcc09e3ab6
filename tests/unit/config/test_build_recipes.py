"""The builds of `profiles/runtimes/` use only words that the sources' own build files know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from strixkit.config.catalogue import load_runtime, runtime_names
from strixkit.config.runtimes import GitRuntime

NAMES = Path(__file__).parents[2] / "data/cmake"
# rocmfp4 itself could not be read; it is the predecessor of ROCmFPX, whose script has the same name.
SOURCES = {
    "rocmfp4": "rocmfpx-baed43e",
    "rocmfp4-vulkan": "rocmfpx-baed43e",
    "rocmfpx": "rocmfpx-baed43e",
    "llama.cpp": "llama.cpp-b11434",
}
SCRIPT = "{source}/scripts/build-strix-rocmfp4-mtp.sh"
OF_CMAKE = {"CMAKE_BUILD_TYPE", "CMAKE_BUILD_WITH_INSTALL_RPATH", "CMAKE_INSTALL_RPATH"}
OF_CCACHE = {"CCACHE_DIR", "CCACHE_BASEDIR"}
WORKFLOW = {
    "llama-server",
    "llama-quantize",
    "llama-imatrix",
    "llama-perplexity",
    "llama-bench",
    "llama-gguf-split",
    "test-backend-ops",
    "test-quantize-fns",
}


def known(name: str) -> dict[str, set[str]]:
    lines = (NAMES / f"{SOURCES[name]}.txt").read_text().splitlines()
    return {key: set(words.split()) for key, words in (line.split(": ", 1) for line in lines if line[0] != "#")}


def built(name: str) -> GitRuntime:
    entry = load_runtime(name)
    assert isinstance(entry, GitRuntime)
    return entry


def definitions(entry: GitRuntime) -> dict[str, str]:
    words = [word for command in entry.configure for word in command if word.startswith("-D")]
    return dict(word.removeprefix("-D").split("=", 1) for word in words)


def targets(entry: GitRuntime) -> list[str]:
    [command] = entry.build
    return list(command[command.index(SCRIPT if SCRIPT in command else "--target") + 1 :])


def test_all_builds_are_held_against_names() -> None:
    assert set(SOURCES) == {name for name in runtime_names() if isinstance(load_runtime(name), GitRuntime)}


@pytest.mark.parametrize("name", SOURCES)
def test_each_definition_is_an_option_of_the_source(name: str) -> None:
    assert definitions(built(name)).keys() <= known(name)["options"] | OF_CMAKE


@pytest.mark.parametrize("name", SOURCES)
def test_each_target_exists_and_each_program_is_built(name: str) -> None:
    entry = built(name)
    assert set(targets(entry)) <= known(name)["targets"]
    assert len(set(targets(entry))) == len(targets(entry))
    assert set(entry.programs) == set(targets(entry)) >= WORKFLOW


@pytest.mark.parametrize("name", SOURCES)
def test_the_environment_is_read_by_somebody(name: str) -> None:
    entry = built(name)
    [command] = entry.build
    words = {word.split("=")[0] for word in command if re.fullmatch(r"[A-Z]+=.*", word)}
    read = known(name)["script_environment"] if SCRIPT in command else set()
    assert words | entry.environment_build.keys() <= read | OF_CCACHE


@pytest.mark.parametrize("name", ["rocmfp4", "rocmfpx"])
def test_the_script_does_not_undo_what_is_set_before_it(name: str) -> None:
    """It sets some options itself: those must have its value; the others are kept by CMake's cache."""
    ours, its = definitions(built(name)), known(name)["script_sets"]
    assert {key: ours[key] for key in ours.keys() & its} == {"CMAKE_BUILD_TYPE": "Release", "LLAMA_BUILD_WEBUI": "OFF"}


@pytest.mark.parametrize("name", SOURCES)
def test_libraries_are_found_beside_the_program_and_nowhere_else(name: str) -> None:
    found = definitions(built(name))
    assert found["CMAKE_INSTALL_RPATH"] == "$ORIGIN"
    assert found["CMAKE_BUILD_WITH_INSTALL_RPATH"] == "ON"
    assert "Ninja" in built(name).configure[0]


def test_the_backends_are_what_is_configured() -> None:
    assert {name: built(name).backends for name in SOURCES} == {
        "rocmfp4": ("hip", "vulkan"),
        "rocmfpx": ("hip", "vulkan"),
        "rocmfp4-vulkan": ("vulkan",),
        "llama.cpp": ("vulkan",),
    }
    for name in ("rocmfp4-vulkan", "llama.cpp"):
        assert definitions(built(name))["GGML_VULKAN"] == "ON"
        assert "GGML_HIP" not in definitions(built(name))
    assert {"GGML_HIP", "GGML_VULKAN"} <= known("rocmfpx")["script_sets"]
