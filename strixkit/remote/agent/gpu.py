"""The AMD GPU: card, kernel modules and what they were told, compute nodes, drivers of Vulkan. Files only."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.patience import NoAnswer, within

AMD = "0x1002"
STRIX_HALO = "0x1586"  # Radeon 8060S, 8050S and 8040S: DevId=0x1586 in GpuZelenograd/memtest_vulkan#66
MODULES = ("ttm", "amdttm", "amdgpu", "amdxdna")
PARAMETERS = {
    "ttm": ("pages_limit", "page_pool_size"),
    "amdttm": ("pages_limit", "page_pool_size"),
    "amdgpu": ("gttsize", "lockup_timeout", "cwsr_enable"),
}
# The first that is there is loaded: depmod looks into updates before the kernel's own.
MODULE_FILES = ("updates/dkms", "updates", "extra", "kernel/drivers/gpu/drm/amd/amdgpu")
NODES = "/sys/class/kfd/kfd/topology/nodes"
ICD_FOLDERS = ("/etc", "/etc/xdg", "/usr/local/etc", "/usr/local/share", "/usr/share")
FIRMWARE_SECONDS = 5.0  # for the files whose answer the driver may have to ask the GPU's firmware for
NODE_FILES = ("/dev/kfd", "/dev/dri/*", "/dev/accel/*")


def gpu(machine: Machine) -> Dict[str, Any]:
    """Facts of the GPU; see strixkit.planner.facts.Facts for the fields."""
    nodes = _kfd(machine)
    groups = "/sys/kernel/iommu_groups"
    return {
        "gpu": _card(machine, nodes),
        "kfd": [{key: value for key, value in node.items() if key != "device_id"} for node in nodes],
        "modules": [name for name in MODULES if machine.exists("/sys/module/" + name)],
        "module_parameters": _parameters(machine),
        "amdgpu_module": _module_file(machine),
        "iommu_groups": _count(machine, groups) if machine.exists(groups) else None,
        "accelerators": [name for name in machine.names("/dev/accel") if not name.startswith(".")],
        "devices": _devices(machine),
        "icd_files": [path for folder in ICD_FOLDERS for path in machine.glob(folder + "/vulkan/icd.d/*.json")],
    }


def _card(machine: Machine, nodes: List[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """The Strix Halo, or else the first AMD card. The index of a card is not the same on every boot."""
    cards = [name for name in machine.names("/sys/class/drm") if re.fullmatch("card[0-9]+", name)]
    folders = ["/sys/class/drm/%s/device" % name for name in sorted(cards, key=lambda name: int(name[4:]))]
    found = [folder for folder in folders if machine.read(folder + "/vendor") == AMD]
    found.sort(key=lambda folder: machine.read(folder + "/device") != STRIX_HALO)
    if not found:
        return None
    folder = found[0]
    device = machine.read(folder + "/device") or "0x"
    busy, level = _asked(machine, folder)
    return {
        "name": _name(machine) if device == STRIX_HALO else "",
        "pci_id": "1002:" + device[2:],
        "gfx": next((_gfx(node["gfx_target_version"]) for node in nodes if hex(node["device_id"]) == device), ""),
        "vram_total_bytes": machine.number(folder + "/mem_info_vram_total") or 0,
        "gtt_total_bytes": machine.number(folder + "/mem_info_gtt_total") or 0,
        "gtt_used_bytes": machine.number(folder + "/mem_info_gtt_used") or 0,
        "busy_percent": None if busy is None else min(busy, 100),
        "performance_level": level,
        "carveout": machine.read(folder + "/uma/carveout") or "",
        "carveout_options": (machine.read(folder + "/uma/carveout_options") or "").splitlines(),
    }


def _asked(machine: Machine, folder: str) -> Tuple[Optional[int], str]:
    """How busy the GPU is, and its performance level: not known where the firmware does not answer."""

    def read() -> Tuple[Optional[int], str]:
        level = machine.read(folder + "/power_dpm_force_performance_level") or ""
        return machine.number(folder + "/gpu_busy_percent"), level

    try:
        return within(FIRMWARE_SECONDS, read, folder)
    except NoAnswer:
        return None, ""


def _name(machine: Machine) -> str:
    """The GPU is a part of the processor, whose name ends with its own: `... w/ Radeon 8060S`."""
    found = re.search(r"^model name\s*: .* w/ (.+)$", machine.read("/proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1) if found else ""


def _gfx(version: int) -> str:
    """110501 -> gfx1151: the parts are decimal there, and the last two hexadecimal in the name."""
    return "gfx%d%x%x" % (version // 10000, version // 100 % 100, version % 100)


def _kfd(machine: Machine) -> List[Dict[str, Any]]:
    """The nodes that are a GPU; a CPU's gfx_target_version is 0."""
    nodes = []
    for name in sorted(filter(str.isdigit, machine.names(NODES)), key=int):
        text = machine.read("%s/%s/properties" % (NODES, name)) or ""
        lines = {key: int(value) for key, value in re.findall(r"^(\w+) (\d{1,18})$", text, re.MULTILINE)}
        if lines.get("gfx_target_version"):
            node: Dict[str, Any] = {key: lines.get(key) for key in ("cwsr_size", "ctl_stack_size")}
            node.update(gfx_target_version=lines["gfx_target_version"], device_id=lines.get("device_id", 0))
            nodes.append(node)
    return nodes


def _parameters(machine: Machine) -> Dict[str, str]:
    found = {}
    for module, names in PARAMETERS.items():
        for name in names:
            value = machine.read("/sys/module/%s/parameters/%s" % (module, name))
            if value is not None:
                found["%s.%s" % (module, name)] = value
    return found


def _module_file(machine: Machine) -> str:
    folder = "/lib/modules/%s" % (machine.read("/proc/sys/kernel/osrelease") or "unknown")
    found = (path for place in MODULE_FILES for path in machine.glob("%s/%s/amdgpu.ko*" % (folder, place)))
    return next(found, "")


def _count(machine: Machine, folder: str) -> int:
    return sum(1 for name in machine.names(folder) if name.isdigit())


def _devices(machine: Machine) -> List[Dict[str, str]]:
    """The files by which programs reach GPU and NPU, and who may."""
    found = []
    for path in (path for pattern in NODE_FILES for path in machine.glob(pattern)):
        owner = machine.permissions(path)
        if owner and not path.endswith("/by-path"):
            found.append({"path": path, "user": owner[0], "group": owner[1], "mode": owner[2]})
    return found
