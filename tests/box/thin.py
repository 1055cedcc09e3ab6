"""A runtime from source that compiles in seconds and serves for real: a small main over Debian's llama-server.

Debian keeps the server itself in libllama-server-impl.so. What is compiled here is a program of ours that says its own
commit and then is that server, so that a release of provider `git` can go through the gate in every run.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from strixkit.config.directories import PROJECT
from strixkit.config.lock import Lock, LockedSource, write_lock
from tests.box.gitserver import Repository

NAME = "thin"
CMAKE = """\
cmake_minimum_required(VERSION 3.20)
project(thin CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
execute_process(COMMAND git rev-parse --short HEAD WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
find_library(server llama-server-impl PATH_SUFFIXES llama REQUIRED)
add_executable(llama-server main.cpp)
target_compile_definitions(llama-server PRIVATE VERSION="1 \\(${commit}\\)" SERVER="${server}")
target_link_libraries(llama-server PRIVATE ${CMAKE_DL_LIBS})
"""
MAIN = """\
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
int main(int count, char **argv) {
  if (count == 2 && !std::strcmp(argv[1], "--version")) return std::fprintf(stderr, "version: %s\\n", VERSION) < 0;
  void *library = dlopen(SERVER, RTLD_NOW);
  if (!library) return std::fprintf(stderr, "%s\\n", dlerror()), 1;
  auto llama_server = reinterpret_cast<int (*)(int, char **)>(dlsym(library, "_Z12llama_serveriPPc"));
  return llama_server(count, argv);
}
"""
SOURCES = {"CMakeLists.txt": CMAKE, "main.cpp": MAIN}
ENTRY: dict[str, Any] = {
    "description": "a small main over Debian's llama-server (tests)",
    "provider": "git",
    "ref": "main",
    "backends": ["vulkan"],
    "configure": [
        [
            *("cmake", "-S", "{source}", "-B", "{build}", "-G", "Ninja"),
            *("-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", "-DCMAKE_INSTALL_RPATH=$ORIGIN"),
        ]
    ],
    "build": [["cmake", "--build", "{build}", "-j", "{jobs}"]],
    "programs": ["llama-server"],
    "binary": "llama-server",
    "job_mib": 256,
    "family": "upstream",
    "loads": "stock",
    "recorded": "debian",
}


@contextmanager
def catalogue(folder: Path, name: str, entry: dict[str, Any]) -> Iterator[None]:
    """The project's catalogue with a runtime of that name in it, in a folder of the test's own."""
    shutil.copytree(PROJECT / "profiles", folder / "profiles")
    for part in ("roles", "systemd", "native"):
        (folder / part).symlink_to(PROJECT / part)
    (folder / "profiles/runtimes" / f"{name}.yaml").write_text(yaml.safe_dump(entry))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("strixkit.config.directories.PROJECT", folder)
        yield


def lock(folder: Path, repository: Repository, commit: str, ref: str = "main") -> None:
    """Lock the runtime to a commit, in that folder."""
    source = LockedSource(repository=repository.url, ref=ref, commit=commit, locked=datetime.date(2026, 1, 1))
    write_lock(Lock(sources=(source,)), folder / "profiles")
