"""The services: what they compute on, their ports, and what a build of their runtime needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strixkit.config.profiles import load_profile
from strixkit.config.runtimes import PackageRuntime
from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.evidence import Devices, Unit
from strixkit.doctor.services import device_names, listed, listed_devices, no_units, units, value_of
from strixkit.doctor.texts import GITHUB, gib
from strixkit.planner.facts import Facts

SOFTWARE = ("llvmpipe", "lavapipe", "SwiftShader")
OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
WEIGHTS = re.compile(r"(\S+) model buffer size")
NO_DEVICE = ("no usable GPU found", "no ROCm-capable device")
SIMULATED_GPU = " (the GPU of this box is SIMULATED, so no other was to be expected)"
ICD_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
HIDDEN_BY = {"HIP_VISIBLE_DEVICES": "-1", "GGML_DISABLE_VULKAN": "1"}
BUILD_MEMORY = 24 << 30  # bytes; a guess: the shaders' compilers run side by side
VULKAN_NEEDS = {
    "cmake": "cmake",
    "ninja": "ninja-build",
    "glslc": "glslc",
    "spirv.hpp": "spirv-headers",
    "vulkan.pc": "libvulkan-dev and pkg-config",
}
ROCM_NEEDS = ("hip", "hipblas", "rocblas")


def cpu_fallback(examined: Examined) -> Iterator[Point]:
    """Whether each service's binary, as the service's user, sees the GPU that the service is to use."""
    services = units(examined)
    yield from _icd_settings(examined.facts)
    if not services:
        yield skip(no_units(examined))
    for unit in services:
        if device_names(unit) == ("none",) or value_of(unit, "-ngl", "--n-gpu-layers") == "0":
            yield skip(f"{unit.name} uses no GPU, as its own arguments say")
            continue
        for path in unit.missing_icds:
            seen = f"{unit.name} names {path} as Vulkan's driver, which is not there"
            yield bad(seen, "no VK_DRIVER_FILES and no VK_ICD_FILENAMES: the loader finds RADV by itself")
        found = listed(examined, unit)
        if found is None or found.exit is None:
            why = examined.evidence.why_unread("devices") if found is None else "it gave no answer in time"
            yield skip(f"{unit.name} --list-devices as {unit.user}: {why}")
        else:
            yield from _listed(examined, unit, found)
        if unit.active == "active":
            yield from _offloaded(examined, unit)


def _icd_settings(facts: Facts) -> Iterator[Point]:
    """Files that name a driver for everybody, which is none of those that are there."""
    for setting in facts.settings:
        missing = [path for path in setting.value.split(":") if path and path not in facts.icd_files]
        if setting.name in ICD_VARIABLES and missing:
            seen = f"{setting.path} sets {setting.name} to {', '.join(missing)}, which is not there"
            yield doubt(f"{seen}: who logs in sees no GPU", f"take {setting.name} out of {setting.path}")


def _listed(examined: Examined, unit: Unit, found: Devices) -> Iterator[Point]:
    """As the user and in the environment of the service; not in its sandbox, of which `gpu-access` judges."""
    there = listed_devices(found)
    wanted = device_names(unit) or tuple(there)
    simulated = SIMULATED_GPU if any(key.startswith("gpu") for key in examined.facts.simulated) else ""
    who = f"{unit.name}: its binary as user {unit.user}"
    do = "mesa-vulkan-drivers for RADV, and the groups render and video for the user (see gpu-access)"
    if found.exit != 0:
        yield bad(f"{who} ends --list-devices with exit {found.exit}: {' '.join(found.lines[-1:])}", do)
    elif not there:
        yield bad(f"{who} lists no device: it computes on the CPU, without a word{simulated}", do)
    for name in wanted if there and found.exit == 0 else ():
        text = there.get(name, "")
        if not text:
            yield bad(f"{who} has no {name}; it lists {', '.join(there)}", do)
        elif any(word in text for word in SOFTWARE):
            yield bad(f"{who}: {name} is software on the CPU, {text}{simulated}", do)
        elif name.startswith("Vulkan") and "(RADV" not in text:
            yield doubt(f"{who}: {name} is {text}, and not RADV", "see amdvlk")
        else:
            yield good(f"{unit.name}: {name}: {text}")


def _offloaded(examined: Examined, unit: Unit) -> Iterator[Point]:
    """What the running server itself said of its layers and of where the weights lie."""
    log = (examined.evidence.unit_log or {}).get(unit.name, ())
    deploy = f"invoke deploy --host {examined.host.name}"
    if told := next((line for line in log if any(words in line for words in NO_DEVICE)), ""):
        yield bad(f"{unit.name} says: {told}", deploy)
    counts = [(int(match[1]), int(match[2])) for match in map(OFFLOADED.search, log) if match]
    places = {match[1] for match in map(WEIGHTS.search, log) if match}
    if not counts or not places:
        yield skip(f"{unit.name}: its log of this run says nothing of layers and weights, or cannot be read")
        return
    reached, total = min(counts, key=lambda count: count[0] / max(count[1], 1))
    seen = f"{unit.name}: {reached} of {total} layers are on the device"
    absent = [name for name in device_names(unit) if name not in places]
    if reached == 0:
        yield bad(f"{seen}: it computes on the CPU", deploy)
    elif absent:
        yield bad(f"{unit.name} has no weights on {', '.join(absent)}, but on {', '.join(sorted(places))}", deploy)
    elif reached < total:
        yield doubt(seen, "a smaller variant or context, if that is not what the profile wants (device.gpu_layers)")
    else:
        yield good(seen)


def device_named(examined: Examined) -> Iterator[Point]:
    """Whether each unit says which device it computes on."""
    services = units(examined)
    if not services:
        yield skip(no_units(examined))
    for unit in services:
        names = device_names(unit)
        hidden = [name for name, value in HIDDEN_BY.items() if unit.environment.get(name) == value]
        found = listed(examined, unit)
        backends = {re.sub(r"\d+$", "", name) for name in listed_devices(found)} if found else set()
        do = "device.name in the profile (-dev)"
        if names:
            yield good(f"{unit.name}: -dev {','.join(names)}")
        elif hidden:
            yield good(f"{unit.name}: {hidden[0]} hides one backend")
        elif len(backends) > 1:
            yield bad(f"{unit.name} has no -dev, and {' and '.join(sorted(backends))} take the same GPU twice", do)
        else:
            yield doubt(f"{unit.name} has no -dev: a build with two backends would take the same GPU twice", do)


def build_tools(examined: Examined) -> Iterator[Point]:
    """Whether the runtime can be built on the box."""
    if isinstance(examined.runtime, PackageRuntime):
        yield skip(f"runtime {examined.host.runtime} is a package: nothing is built here")
        return
    tools, compiler = examined.evidence.tools, examined.evidence.compiler
    if tools is None:
        yield skip(examined.evidence.why_unread("tools"))
        return
    missing = [package for name, package in VULKAN_NEEDS.items() if not tools.get(name)]
    if examined.wishes.rocm != "none":
        missing += [f"ROCm's {part} for cmake" for part in ROCM_NEEDS if not tools.get(f"cmake {part}")]
    if missing:
        yield doubt(f"a build of {examined.host.runtime} would not find {', '.join(missing)}", "install them first")
    else:
        yield good("cmake, glslc, SPIR-V headers and Vulkan's are there")
    if compiler is not None and 0 < compiler.get("headers", 0) < compiler.get("gcc", 0):
        # Unconfirmed: clang takes the newest folder of gcc, which may have no C++ headers ('cmath' file not found).
        number = compiler["gcc"]
        yield doubt(f"gcc {number} is there without its C++ headers (unconfirmed)", f"libstdc++-{number}-dev")
    available = examined.facts.memory.available_bytes
    if available < BUILD_MEMORY:
        seen = f"{gib(available)} of memory are available; the shaders' build takes much (24 GiB is a guess)"
        yield doubt(seen, "build with fewer jobs, or with the service stopped")


def ports(examined: Examined) -> Iterator[Point]:
    """Whether each service's port is its own."""
    listeners = examined.evidence.listeners
    if listeners is None:
        yield skip(examined.evidence.why_unread("listeners"))
        return
    active = {unit.name: unit for unit in units(examined) if unit.active == "active"}
    for service, port in ports_of(examined).items():
        name = f"llama-server-{service}.service"
        there = [item for item in listeners if item.port == port]
        others = [item for item in there if item.unit != name and item.pid]
        if others:
            seen = f"port {port} of service {service} is taken by {others[0].command} ({others[0].pid})"
            yield bad(seen, f"stop it, or another port for service {service} in the inventory")
        elif any(not item.pid for item in there) and examined.evidence.units is not None and name not in active:
            seen = f"port {port} of service {service} is taken, and the service does not run"
            yield bad(seen, f"as root: ss -ltnp 'sport = :{port}'")
        elif any(not item.pid for item in there):
            yield skip(f"port {port}: only root sees whether it is the service's")
        elif name in active and not there:
            yield doubt(f"{name} runs and does not listen on port {port}", f"invoke audit --host {examined.host.name}")
        else:
            yield good(f"port {port}: {'the service' if there else 'free'}")


def ports_of(examined: Examined) -> dict[str, int]:
    """The TCP port of each service of the inventory."""
    services = examined.host.services.items()
    return {name: service.port or load_profile(service.profile).server.port for name, service in services}


CHECKS = {
    "cpu-fallback": Check(
        id="cpu-fallback",
        group="service",
        question="Does each service compute on the GPU?",
        looks_at="what the unit's own binary lists with --list-devices, run as the unit's user and with its "
        "environment (not in its sandbox, which gpu-access judges): the unit's device must be there, and be "
        "no llvmpipe. Files that VK_DRIVER_FILES or VK_ICD_FILENAMES name must exist. Of a running service: "
        "`offloaded N/N layers` in its log.",
        why="Without a driver (mesa-vulkan-drivers is often forgotten), with a wrong path in VK_ICD_FILENAMES, without "
        "the groups, or in a container without /dev/dri, llama-server starts all the same and computes on the CPU: "
        "plausible answers, four times slower, and no error anywhere.",
        links=(f"{GITHUB}charlie12345/ROCmFPX", f"{GITHUB}kyuz0/amd-strix-halo-toolboxes"),
        mended_by="roles vulkan and base",
        confidence="several reports",
        reads=("gpu", "settings", "icd_files"),
        verdicts=frozenset(Verdict),
        look=cpu_fallback,
    ),
    "device-named": Check(
        id="device-named",
        group="service",
        question="Does each unit say which device it computes on?",
        looks_at="-dev or --device in the unit's arguments, or a variable that hides one of the backends "
        "(HIP_VISIBLE_DEVICES=-1, GGML_DISABLE_VULKAN=1); and whether the binary lists devices of two backends.",
        why="A build with HIP and Vulkan lists one GPU twice, as ROCm0 and as Vulkan0, and without -dev it splits the "
        "model over both.",
        links=(f"{GITHUB}charlie12345/ROCmFPX", f"{GITHUB}ggml-org/llama.cpp/blob/master/docs/multi-gpu.md"),
        mended_by="the profile (device.name)",
        confidence="source code",
        reads=(),
        verdicts=frozenset(Verdict),
        look=device_named,
    ),
    "build-tools": Check(
        id="build-tools",
        group="service",
        question="Can the runtime be built on the box?",
        looks_at="cmake, ninja, glslc, spirv.hpp, Vulkan's package description, cmake files of hip, hipblas and "
        "rocblas where ROCm is wanted; the newest gcc against the newest C++ headers (unconfirmed), and 24 "
        "GiB of available memory (a guess). WARN only: what is built already runs.",
        why="The fork's list of prerequisites leaves out libvulkan-dev and spirv-headers; `Could NOT find Vulkan "
        "(missing: glslc)` and `spirv/unified1/spirv.hpp: No such file` come of it. Its shaders' compilers run side by "
        "side and were seen to take all of a machine's memory.",
        links=(f"{GITHUB}charlie12345/ROCmFPX", f"{GITHUB}kyuz0/amd-strix-halo-toolboxes"),
        mended_by="roles vulkan and rocm",
        confidence="source code",
        reads=("memory.available_bytes",),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=build_tools,
    ),
    "ports": Check(
        id="ports",
        group="service",
        question="Is each service's port its own?",
        looks_at="listeners on the services' ports in /proc/net/tcp and tcp6, and the units that they belong to.",
        why="A second server on the port (an old one, ollama, a container) answers in the place of the service, "
        "or keeps it from starting.",
        links=(f"{GITHUB}noamsto/nix-amd-ai",),
        mended_by="strix_services (port) in the inventory",
        confidence="several reports",
        reads=(),
        verdicts=frozenset(Verdict),
        look=ports,
    ),
}
