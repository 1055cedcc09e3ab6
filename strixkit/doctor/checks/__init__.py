"""The checks in the order of their rank: how often the failure is met in the field, times what it costs."""

from __future__ import annotations

from strixkit.doctor.check import Check
from strixkit.doctor.checks import access, firmware, kernel, memory, probe, rocm, service, tuning, vulkan

_RANKED = (
    "gtt-limit",
    "bios-carveout",
    "lockup-timeout",
    "kfd-cwsr",
    "firmware-mes",
    "rocm-mmap",
    "gpu-access",
    "cpu-fallback",
    "amdvlk",
    "rocm-packages",
    "amdgpu-dkms",
    "memory-headroom",
    "device-named",
    "hsa-override",
    "kernel-arguments",
    "wrong-logits",
    "gpu-probe",
    "rocm-memory-in-use",
    "build-tools",
    "speed",
    "idle-gpu",
    "sudo-rs",
    "ports",
    "npu",
    "wedged-gpu",
)
_MODULES = (memory, kernel, firmware, rocm, vulkan, service, probe, tuning, access)
_BY_ID = {name: check for module in _MODULES for name, check in module.CHECKS.items()}
CHECKS: tuple[Check, ...] = tuple(_BY_ID[name] for name in _RANKED)
