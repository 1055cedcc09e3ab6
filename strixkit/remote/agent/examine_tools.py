"""Evidence of tools: power profiles, what a build needs, what ROCm itself sees."""

from __future__ import annotations

import re
from typing import Any, Dict, List

from strixkit.planner.limits import MOST_PROBE
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.paths import PROBE
from strixkit.remote.agent.tuning import VERIFY
from strixkit.remote.agent.unread import Unread, need_root

FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
PROGRAMS = ("git", "cmake", "ninja", "glslc", "pkg-config", "cc", "c++")
# The first that is there counts; from the source of ggml-vulkan.
SPIRV = ("spirv/unified1/spirv.hpp", "spirv-headers/spirv.hpp", "spirv.hpp")
ROCM_PARTS = ("hip", "hipblas", "rocblas")


def tuning(machine: Machine, request: Dict[str, Any]) -> Dict[str, Any]:
    """The active profile of tuned and whether it is true, and that of power-profiles-daemon."""
    active = machine.run("tuned-adm", "active")
    verify = machine.run(*VERIFY) if active is not None else None
    power = machine.run("powerprofilesctl", "get")
    found = re.search(r"Current active profile: (\S+)", active[1]) if active is not None else None
    return {
        "tuned": active is not None,
        "profile": found.group(1) if found else "",
        "verified": None if verify is None else verify[0] == 0,
        "power_profile": power[1].strip() if power is not None and power[0] == 0 else "",
        "platform_profile": machine.read("/sys/firmware/acpi/platform_profile") or "",
    }


def probe(machine: Machine, request: Dict[str, Any]) -> str:
    """The file of strix-probe's results, for the controller to read."""
    text = machine.whole(PROBE, MOST_PROBE)
    if text is not None:
        return text
    if machine.exists(PROBE):
        raise Unread("%s cannot be read, or is larger than %d bytes" % (PROBE, MOST_PROBE))
    need_root(machine, PROBE)
    raise Unread("strix-probe has not been run on this box")


def build_tools(machine: Machine, request: Dict[str, Any]) -> Dict[str, bool]:
    """Whether each program, header and package description that a build of llama.cpp asks for is there."""
    answer = {name: _program(machine, name) for name in PROGRAMS}
    answer["spirv.hpp"] = any(machine.exists("/usr/include/" + path) for path in SPIRV)
    vulkan = machine.run("pkg-config", "--exists", "vulkan")
    answer["vulkan.pc"] = vulkan is not None and vulkan[0] == 0
    for part in ROCM_PARTS:
        patterns = ("/opt/rocm/lib*/cmake/", "/opt/rocm/core-*/lib*/cmake/", "/usr/lib/x86_64-linux-gnu/cmake/")
        answer["cmake " + part] = any(machine.glob(pattern + part) for pattern in patterns + ("/usr/lib64/cmake/",))
    return answer


def _program(machine: Machine, name: str) -> bool:
    return any(machine.exists("%s/%s" % (folder, name)) for folder in FOLDERS)


def compiler(machine: Machine, request: Dict[str, Any]) -> Dict[str, int]:
    """The newest folder of gcc, which clang takes, and the newest with C++ headers; 0: none."""
    numbers = {
        "gcc": machine.glob("/usr/lib/gcc/x86_64-linux-gnu/*"),
        "headers": machine.glob("/usr/include/c++/*"),
    }
    names = {key: [path.rpartition("/")[2] for path in found] for key, found in numbers.items()}
    return {key: max((int(name) for name in found if name.isdecimal()), default=0) for key, found in names.items()}


def rocm_agents(machine: Machine, request: Dict[str, Any]) -> List[str]:
    """The GPU names that rocminfo prints, as whoever runs this."""
    places = (
        ["/usr/bin/rocminfo"] + machine.glob("/opt/rocm*/bin/rocminfo") + machine.glob("/opt/rocm/core-*/bin/rocminfo")
    )
    program = next((path for path in places if machine.exists(path)), "")
    if not program:
        raise Unread("rocminfo is not installed")
    found = machine.run(program)
    if found is None:
        raise Unread("%s gives no answer" % program)
    return sorted(set(re.findall(r"^\s*Name:\s+(gfx[0-9a-f]+)\s*$", found[1], re.MULTILINE)))
