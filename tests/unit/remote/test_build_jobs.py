"""How many compilers run at once, and what is said when they fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.remote.agent.build import faults
from strixkit.remote.agent.build.jobs import LEAST_MIB, after_out_of_memory, jobs, memory_limit_mib


@pytest.mark.parametrize(
    ("cores", "available_mib", "job_mib", "wanted", "most", "expected"),
    [
        (32, 126_976, 3072, 0, 0, 32),  # an empty 128 GB box: the cores
        (32, 20_480, 3072, 0, 0, 6),  # a model is served meanwhile: the memory
        (32, 2_000, 3072, 0, 0, 1),  # hardly anything: one, and it may fail
        (32, 126_976, 3072, 16, 0, 16),
        (32, 126_976, 3072, 16, 4, 4),  # what ran out of memory before counts more than a wish
        (32, 20_480, 3072, 0, 16, 6),
        (1, 126_976, 3072, 0, 0, 1),
    ],
)
def test_jobs(cores: int, available_mib: int, job_mib: int, wanted: int, most: int, expected: int) -> None:
    assert jobs(cores, memory_limit_mib(available_mib), job_mib, wanted, most) == expected


@given(
    cores=st.integers(1, 1024), available=st.integers(0, 1 << 24), job=st.integers(0, 1 << 20), most=st.integers(0, 64)
)
def test_what_the_box_decides_fits_or_is_one(cores: int, available: int, job: int, most: int) -> None:
    limit = memory_limit_mib(available)
    found = jobs(cores, limit, job, 0, most)
    assert 1 <= found <= cores
    assert found == 1 or found * job <= limit
    assert limit >= LEAST_MIB


def test_out_of_memory_ends_at_one_job() -> None:
    taken, most = [], 32
    while most > 1:
        taken.append(most)
        most = after_out_of_memory(most)
    assert taken == [32, 16, 8, 4, 2]
    assert after_out_of_memory(1) == 1


@pytest.mark.parametrize(
    ("result", "status", "line"),
    [
        ("oom-kill", 9, ""),
        ("exit-code", 137, ""),
        ("exit-code", 1, "c++: fatal error: Killed signal terminated program cc1plus"),
        ("exit-code", 1, "clang++: error: unable to execute command: Killed"),
        ("exit-code", 2, "/bin/sh: line 1: 4711 Killed"),
        ("exit-code", 1, "virtual memory exhausted: Cannot allocate memory"),
        ("exit-code", 1, "LLVM ERROR: out of memory"),
    ],
)
def test_a_kill_for_memory_is_recognised(result: str, status: int, line: str) -> None:
    assert faults.out_of_memory(result, status, ["[1/2] Building", line])


@pytest.mark.parametrize(
    "line",
    [
        "a.cpp:3:5: error: 'Killed' was not declared in this scope",
        'a.cpp:9:1: warning: "out of memory" is never printed',
        "clang: error: clang frontend command failed due to signal",  # it has crashed
    ],
)
def test_other_faults_are_none(line: str) -> None:
    assert not faults.out_of_memory("exit-code", 1, [line])


@pytest.mark.parametrize(
    ("line", "what", "apt", "dnf"),
    [
        ("  Failed to find ROCm root directory.", "ROCm's compiler", "hipcc", "rocm-hip-devel"),
        ("  Could not find compiler set in environment variable HIPCXX:", "ROCm's compiler", "hipcc", "rocm-hip-devel"),
        ("  At least ROCM/HIP V6.1 is required", "newer ROCm", "strix_rocm", "rocm-hip-devel"),
        (
            '  Could not find a package configuration file provided by "hipblas" with',
            "hipBLAS",
            "libhipblas-dev",
            "blas",
        ),
        (
            "  Could NOT find Vulkan (missing: Vulkan_LIBRARY Vulkan_INCLUDE_DIR glslc)",
            "glslc",
            "libvulkan-dev",
            "vulkan-loader-devel",
        ),
        (
            "ggml-vulkan.cpp:9:10: fatal error: spirv/unified1/spirv.hpp: No such file or directory",
            "SPIR-V",
            "spirv-headers",
            "spirv-headers-devel",
        ),
        ("  No CMAKE_CXX_COMPILER could be found.", "C++ compiler", "g++", "gcc-c++"),
        ("Failed to find executable cmake: No such file or directory", "CMake", "cmake", "cmake"),
    ],
)
def test_what_is_missing_is_named_with_its_package(line: str, what: str, apt: str, dnf: str) -> None:
    assert what in faults.lacking([line], "apt")
    assert apt in faults.lacking([line], "apt").partition("packages: ")[2]
    assert dnf in faults.lacking([line], "dnf").partition("packages: ")[2]


def test_nothing_is_missing_when_nothing_says_so() -> None:
    assert faults.lacking(["a.cpp:1:1: error: expected ';'"], "apt") == ""
    assert faults.no_space(["fatal error: error writing to /tmp/cc.s: No space left on device"])


def test_the_lines_that_tell_begin_with_the_first_failure() -> None:
    noise = [f"[{number}/900] Building CXX object {number}.o" for number in range(300)]
    fault = ["FAILED: a.o", "c++ -c a.cpp", "a.cpp:1:2: error: no"]
    assert faults.telling([*noise, *fault, *noise])[:3] == fault
    assert faults.telling(noise) == noise[-faults.SHOWN_LINES :]
    assert len(faults.telling([*fault, *noise])) == faults.SHOWN_LINES
