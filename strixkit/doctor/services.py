"""What the units of a box use, from their arguments and their environment."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.doctor.check import Examined
from strixkit.doctor.evidence import Devices, Unit
from strixkit.doctor.texts import NO_UNIT
from strixkit.planner.facts import Facts

ROCM = ("ROCm", "HIP", "CUDA")  # what builds of ggml's HIP backend have called its devices

ROCM_PACKAGES = ("hipcc", "rocminfo", "libamdhip64-dev", "rocm-hip-runtime", "rocm-hip", "rocm-hip-devel")


def units(examined: Examined) -> tuple[Unit, ...]:
    """The units of the host's services; empty when they are not there or were not read."""
    return examined.evidence.units or ()


def no_units(examined: Examined) -> str:
    """Why there is no unit to judge."""
    return NO_UNIT if examined.evidence.units is not None else examined.evidence.why_unread("units")


def value_of(unit: Unit, *flags: str) -> str | None:
    """The value of the last of these flags in the unit's arguments; None when there is none of them."""
    found = None
    for word, after in zip(unit.argv, (*unit.argv[1:], ""), strict=True):
        name, has, value = word.partition("=")
        if word in flags:
            found = after
        elif has and name in flags:
            found = value
    return found


def device_names(unit: Unit) -> tuple[str, ...]:
    """The devices that the unit names, e.g. Vulkan0; empty when it leaves the choice to the server."""
    named = value_of(unit, "-dev", "--device") or unit.environment.get("LLAMA_ARG_DEVICE", "")
    return tuple(name for name in named.split(",") if name)


def listed(examined: Examined, unit: Unit) -> Devices | None:
    """What the unit's binary listed, if it was asked."""
    return next((item for item in examined.evidence.devices or () if item.unit == unit.name), None)


def listed_devices(devices: Devices) -> dict[str, str]:
    """Name of a device -> its description, from the lines of --list-devices."""
    pairs = (line.strip().partition(": ") for line in devices.lines if line.startswith(" "))
    return {name: text for name, has, text in pairs if has and name and " " not in name}


def uses_rocm(examined: Examined, unit: Unit) -> bool:
    """Whether the unit computes on ROCm: by its own words, or because its server would choose it."""
    names = device_names(unit)
    if not names and (found := listed(examined, unit)) is not None:
        names = tuple(listed_devices(found))
    return any(name.startswith(ROCM) for name in names)


def on_rocm(examined: Examined) -> tuple[Unit, ...]:
    """The units that compute on ROCm."""
    return tuple(unit for unit in units(examined) if uses_rocm(examined, unit))


def rocm_installed(facts: Facts) -> str:
    """The versions of ROCm that are there, AMD's and the distribution's; empty: none."""
    packaged = [
        version for name, version in facts.packages.items() if name in ROCM_PACKAGES or name.startswith("amdrocm")
    ]
    return ", ".join(sorted({*facts.rocm.values()} or {*packaged}))


def rocm_concerns(examined: Examined) -> bool:
    """Whether ROCm is wanted, installed or used."""
    return examined.wishes.rocm != "none" or bool(rocm_installed(examined.facts)) or bool(on_rocm(examined))


def log_lines(examined: Examined, *words: str) -> Iterator[tuple[Unit, str]]:
    """The lines of the units' own logs that have one of these words."""
    for unit in units(examined):
        for line in (examined.evidence.unit_log or {}).get(unit.name, ()):
            if any(word in line for word in words):
                yield unit, line
