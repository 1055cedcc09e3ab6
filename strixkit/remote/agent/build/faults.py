"""Why a compile failed, from what it wrote: in words, and with what to do next. Pure.

The texts are those of GNU and LLVM compilers, CMake, and ggml's CMake files.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Sequence

SHOWN_LINES = 40
KILLED = re.compile(
    r"Killed signal terminated program|unable to execute command: Killed|\bKilled$"
    r"|virtual memory exhausted|LLVM ERROR: out of memory"
)
KILLED_STATUS = 137  # 128 + SIGKILL: how a shell reports it
NO_SPACE = "No space left on device"


class Lack(NamedTuple):
    """Words that tell a missing package, what is missing, and its packages."""

    words: "re.Pattern[str]"
    what: str
    apt: str
    dnf: str


LACKS = (
    Lack(
        re.compile(r"Failed to find ROCm root directory|Could not find compiler set in environment variable HIPCXX"),
        "ROCm's compiler for HIP",
        "hipcc libamdhip64-dev (Debian), or strix_rocm in the inventory for AMD's",
        "rocm-hip-devel",
    ),
    Lack(
        re.compile(r"At least ROCM/HIP V[0-9.]+ is required"),
        "a newer ROCm",
        "strix_rocm in the inventory",
        "rocm-hip-devel",
    ),
    Lack(
        re.compile(r'package configuration file provided by "(?:hipblas|rocblas)"'),
        "hipBLAS or rocBLAS",
        "libhipblas-dev librocblas-dev",
        "hipblas-devel rocblas-devel",
    ),
    Lack(
        re.compile(r"Could NOT find Vulkan"),
        "Vulkan's headers or glslc",
        "libvulkan-dev glslc",
        "vulkan-loader-devel glslc",
    ),
    Lack(
        re.compile(r"spirv/unified1/spirv\.hpp(?:: No such file|' file not found)"),
        "the headers of SPIR-V",
        "spirv-headers",
        "spirv-headers-devel",
    ),
    Lack(
        re.compile(r"No CMAKE_C(?:XX)?_COMPILER could be found|CMAKE_C(?:XX)?_COMPILER not set"),
        "a C++ compiler",
        "g++",
        "gcc-c++",
    ),
    Lack(re.compile(r"CMake was unable to find a build program"), "Ninja or make", "ninja-build", "ninja-build"),
    Lack(re.compile(r"Failed to find executable .*cmake|cmake: (?:command )?not found"), "CMake", "cmake", "cmake"),
    Lack(re.compile(r"Failed to find executable .*git\b|git: (?:command )?not found"), "git", "git", "git-core"),
)


def out_of_memory(result: str, status: int, lines: "Sequence[str]") -> bool:
    """Whether the kernel ended a compiler for its memory. result, status: as systemd has them (see unit.Ended)."""
    return result == "oom-kill" or status == KILLED_STATUS or any(KILLED.search(line) for line in lines)


def no_space(lines: "Sequence[str]") -> bool:
    """Whether the disk was full."""
    return any(NO_SPACE in line for line in lines)


def lacking(lines: "Sequence[str]", manager: str) -> str:
    """What is not installed and how it gets there, or an empty text. manager: apt or dnf."""
    for lack in LACKS:
        if any(lack.words.search(line) for line in lines):
            packages = lack.dnf if manager == "dnf" else lack.apt
            return "%s is missing; packages: %s" % (lack.what, packages)
    return ""


def telling(lines: "Sequence[str]") -> "List[str]":
    """Those lines that tell the fault: from the first command that failed on, otherwise the last ones."""
    first = next((number for number, line in enumerate(lines) if line.startswith(("FAILED: ", "CMake Error"))), None)
    return list(lines[-SHOWN_LINES:] if first is None else lines[first : first + SHOWN_LINES])
