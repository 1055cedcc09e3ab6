"""Installed versions: packages, ROCm's folders, the compiler, sudo. The only child processes of the facts, two."""

from __future__ import annotations

from typing import Any, Dict

from strixkit.remote.agent.machine import Machine

# Shell patterns, of which most match nothing. {kernel} is the running kernel's release.
DEBIAN = (
    *("linux-image-{kernel}", "linux-firmware", "firmware-amd-graphics"),
    *("mesa-vulkan-drivers", "libvulkan1", "libvulkan-dev", "vulkan-tools", "glslc", "spirv-headers", "amdvlk"),
    *("rocm", "rocm-core", "rocm-hip-*", "rocminfo", "hipcc", "libamdhip64-*", "amdrocm*", "amdgpu-*"),
    *("hipblas", "hipblas-dev", "rocblas", "rocblas-dev", "libhipblas-dev", "librocblas-dev"),
    *("g++", "g++-[0-9]*", "gcc", "binutils", "cmake", "ninja-build", "make", "ccache", "git", "pkg-config", "pkgconf"),
    *("libc6-dev", "libssl-dev", "nlohmann-json3-dev", "rocm-llvm*", "rocm-device-libs*"),
    *("tuned", "power-profiles-daemon", "tlp", "sudo", "sudo-rs"),
)
FEDORA = (
    *("linux-firmware", "amd-gpu-firmware", "grubby"),  # the kernel's version is in its release
    *("mesa-vulkan-drivers", "vulkan-loader", "vulkan-loader-devel", "vulkan-tools", "glslc", "spirv-headers-devel"),
    *("rocm-core", "rocm-hip", "rocm-hip-devel", "rocm-runtime", "rocminfo", "hipcc", "amdrocm*", "amdgpu-*"),
    *("hipblas", "hipblas-devel", "rocblas", "rocblas-devel"),
    *("gcc-c++", "gcc", "binutils", "cmake", "ninja-build", "make", "ccache", "git-core", "pkgconf-pkg-config"),
    *("glibc-devel", "openssl-devel", "json-devel"),
    *("tuned", "tuned-ppd", "power-profiles-daemon", "tlp", "sudo", "sudo-rs"),
)
COMPILER = "/usr/bin/c++"  # what CMake takes by itself; a link to g++-15 or clang++-19
DPKG = ("dpkg-query", "--show", "--showformat=${db:Status-Status}\\t${Package}\\t${Version}\\n", "--")
RPM = ("rpm", "--query", "--all", "--queryformat=installed\\t%{NAME}\\t%{VERSION}-%{RELEASE}\\n")


def software(machine: Machine) -> Dict[str, Any]:
    """Package manager, packages, ROCm, compiler and sudo; see strixkit.planner.facts.Facts for the fields."""
    manager = next((name for name, path in MANAGERS.items() if machine.exists(path)), "")
    return {
        "package_manager": manager,
        "packages": _packages(machine, manager),
        "rocm": _rocm(machine),
        "compiler": machine.real(COMPILER) or "",
        "sudo": _first_line(machine, "sudo", "--version"),
    }


MANAGERS = {"apt": "/usr/bin/apt-get", "dnf": "/usr/bin/dnf"}


def _packages(machine: Machine, manager: str) -> Dict[str, str]:
    kernel = machine.read("/proc/sys/kernel/osrelease") or "unknown"
    query, names = {"apt": (DPKG, DEBIAN), "dnf": (RPM, FEDORA)}.get(manager, ((), ()))
    found = machine.run(*query, *(name.format(kernel=kernel) for name in names)) if query else None
    # dpkg-query exits 1 when a name matches nothing, and prints the others.
    rows = [line.split("\t") for line in (found[1] if found else "").splitlines()]
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def _rocm(machine: Machine) -> Dict[str, str]:
    """Folders of AMD's packages; /opt/rocm itself is mostly a link to one of them."""
    suffix = "/.info/version"
    files = machine.glob("/opt/rocm*" + suffix) + machine.glob("/opt/rocm/core-*" + suffix)
    folders = [path[: -len(suffix)] for path in files]
    return {folder: machine.read(folder + suffix) or "" for folder in folders if machine.link(folder) is None}


def _first_line(machine: Machine, *command: str) -> str:
    found = machine.run(*command)
    return found[1].partition("\n")[0] if found else ""
