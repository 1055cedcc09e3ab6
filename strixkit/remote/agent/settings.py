"""Variables that change what a GPU program does, where a file sets them for everybody. Files only."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Tuple

from strixkit.remote.agent.machine import Machine

NAMES = (
    *("HSA_OVERRIDE_GFX_VERSION", "HSA_ENABLE_SDMA", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    *("GPU_MAX_HW_QUEUES", "GGML_HIP_ENABLE_UNIFIED_MEMORY", "GGML_CUDA_ENABLE_UNIFIED_MEMORY"),
    *("GGML_DISABLE_VULKAN", "GGML_VK_VISIBLE_DEVICES", "GGML_VK_PREFER_HOST_MEMORY"),
    *("VK_ICD_FILENAMES", "VK_DRIVER_FILES", "AMD_VULKAN_ICD", "RADV_PERFTEST"),
)
FILES = (
    *("/etc/environment", "/etc/environment.d/*.conf", "/etc/profile", "/etc/profile.d/*.sh"),
    *("/etc/security/pam_env.conf", "/etc/systemd/system.conf", "/etc/systemd/system.conf.d/*.conf"),
)
_NAMES = "|".join(NAMES)
# A name that is not the end of another one nor a use ($NAME), and its value: quoted, or up to what ends a word. In
# pam_env.conf a word stands between them.
ASSIGNMENT = re.compile(
    r"(?<![\w$])(?<!\$\{)(?P<name>%s)(?:=|[ \t]+(?:DEFAULT|OVERRIDE)=)" % _NAMES
    + r"""(?P<quote>["']?)(?P<value>(?:(?<=["'])[^"']*|[^\s;&|)"']*))"""
)
# systemd quotes name and value together.
QUOTED = re.compile(r"""(?P<quote>["'])(?P<name>%s)=(?P<value>.*?)(?P=quote)""" % _NAMES)
COMMENT = re.compile(r"(^|\s)#.*")


def settings(machine: Machine) -> List[Dict[str, str]]:
    """Every assignment of such a variable: file, name, value; in the order of the files and lines."""
    return [
        {"path": path, "name": name, "value": value}
        for pattern in FILES
        for path in machine.glob(pattern)
        for line in (machine.read(path) or "").splitlines()
        for name, value in _assignments(COMMENT.sub("", line))
    ]


def _assignments(line: str) -> Iterator[Tuple[str, str]]:
    for pattern in (QUOTED, ASSIGNMENT):
        for found in pattern.finditer(line):
            yield found.group("name"), found.group("value")
        line = pattern.sub(" ", line)
