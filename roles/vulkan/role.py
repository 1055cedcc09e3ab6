"""Loader, Mesa's driver, and nothing in their way. Which driver the loader takes is not forced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from strixkit.config.validate import validate
from strixkit.config.values import Section
from strixkit.config.yaml import load
from strixkit.host.context import HostContext
from strixkit.host.provision import packages, unset
from strixkit.planner.facts import Facts, Setting
from strixkit.resources.absent_packages import AbsentPackages
from strixkit.resources.base import Resource
from strixkit.resources.file import File

DEFAULTS = Path(__file__).parent / "defaults.yaml"
# The files of AMDVLK, and of AMD's proprietary driver. AMDVLK is discontinued (GPUOpen-Drivers/AMDVLK, discussion 416).
AMDVLK = ("amd_icd64.json", "amd_icd32.json")
WHY_NOT_AMDVLK = "AMDVLK wins over RADV and halves prompt processing (ggml-org/llama.cpp#22375)"
SELECTED = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
FOLDERS = (
    "/usr/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/local/etc/vulkan/icd.d",
)


class Defaults(Section):
    """This role's defaults.yaml: packages by package manager."""

    packages: dict[str, tuple[str, ...]]


def resources(host: HostContext) -> Iterator[Resource]:
    """The packages; AMDVLK and selections of drivers that are not there go."""
    assert host.distribution is not None
    defaults = validate(load(DEFAULTS), Defaults)
    if host.distribution.packages == "apt":
        yield AbsentPackages(label="amdvlk", names=("amdvlk",), reason=WHY_NOT_AMDVLK)
    for path in host.facts.icd_files:
        if PurePosixPath(path).name in AMDVLK:
            yield File(path=path, content=None, reason=WHY_NOT_AMDVLK)
    wrong = {
        (setting.path, setting.name): setting for setting in host.facts.settings if _why_wrong(setting, host.facts)
    }
    for setting in wrong.values():
        yield from unset(host, setting, _why_wrong(setting, host.facts))
    reason = "the GPU by Vulkan: loader, Mesa's RADV, vulkaninfo"
    yield from packages(host, "vulkan", defaults.packages[host.distribution.packages], reason)


def _why_wrong(setting: Setting, facts: Facts) -> str:
    """Why such a selection leaves the server without its GPU; empty when it does not, or nobody can tell."""
    if setting.name == "AMD_VULKAN_ICD" and setting.value.upper() == "AMDVLK":
        return WHY_NOT_AMDVLK
    if setting.name not in SELECTED:
        return ""
    for path in filter(None, setting.value.split(":")):
        if PurePosixPath(path).name in AMDVLK:
            return WHY_NOT_AMDVLK
        if str(PurePosixPath(path).parent) in FOLDERS and path not in facts.icd_files:
            return f"{path} is not there, so Vulkan finds no device and a server runs on the CPU without a word"
    return ""
