"""Vulkan's drivers."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.services import units
from strixkit.doctor.texts import GITHUB, LLAMA_ISSUES

REMOVE = "dpkg -r amdvlk; rm -f /etc/vulkan/icd.d/amd_icd64.json"
CHOICE = "AMD_VULKAN_ICD"


def amdvlk(examined: Examined) -> Iterator[Point]:
    """Whether AMD's discontinued driver is in RADV's place."""
    facts = examined.facts
    files = [path for path in facts.icd_files if path.rpartition("/")[2].startswith("amd_icd")]
    services = units(examined)
    if files and services and all(unit.environment.get(CHOICE) == "RADV" for unit in services):
        yield doubt(f"AMDVLK is there ({', '.join(files)}); the services choose RADV by {CHOICE}", REMOVE)
    elif files:
        yield bad(f"AMDVLK is there and wins over RADV: {', '.join(files)}", REMOVE)
    elif "amdvlk" in facts.packages:
        yield doubt(f"amdvlk {facts.packages['amdvlk']} is installed, though Vulkan does not see it", REMOVE)
    elif facts.icd_files:
        yield good(f"drivers: {', '.join(path.rpartition('/')[2] for path in facts.icd_files)}")
    else:
        yield skip("there are no files of Vulkan drivers (icd.d)")
    for device in examined.evidence.vulkan or ():
        if "open-source driver" in device.driver or device.driver.upper().startswith("AMD"):
            yield bad(f"vulkaninfo: {device.name} by {device.driver} {device.info}".rstrip(), REMOVE)


CHECKS = {
    "amdvlk": Check(
        id="amdvlk",
        group="vulkan",
        question="Is Vulkan's driver RADV and not AMDVLK?",
        looks_at="amd_icd*.json in /etc/vulkan/icd.d and /usr/share/vulkan/icd.d, the package amdvlk, AMD_VULKAN_ICD "
        "in the services' environment, and the driver's name in vulkaninfo --summary where that is installed.",
        why="AMDVLK was discontinued in 2025. Its file wins over RADV's without a word: prompts at half the "
        "speed, dense models 3 to 4 times slower, no allocation above 2 GiB. Signs are `(AMD open-source "
        "driver)` and `shared memory: 32768`.",
        links=(
            f"{LLAMA_ISSUES}22375",
            f"{GITHUB}GPUOpen-Drivers/AMDVLK/discussions/416",
            f"{GITHUB}hogeheer499-commits/strix-halo-guide",
        ),
        mended_by="role vulkan",
        confidence="several reports",
        reads=("icd_files", "packages"),
        verdicts=frozenset(Verdict),
        look=amdvlk,
    ),
}
