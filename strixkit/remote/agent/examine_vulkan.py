"""Evidence of Vulkan: what its loader finds."""

from __future__ import annotations

import os
from typing import Any, Dict, List

from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread

KEYS = {"deviceName": "name", "deviceType": "type", "driverName": "driver", "driverInfo": "info"}


def summary(machine: Machine, request: Dict[str, Any]) -> List[Dict[str, str]]:
    """The devices of `vulkaninfo --summary`, as whoever runs this and without a shader cache."""
    environment = dict(os.environ, MESA_SHADER_CACHE_DISABLE="true")
    found = machine.run("vulkaninfo", "--summary", environment=environment)
    if found is None:
        raise Unread("vulkaninfo (package vulkan-tools) is not there, or gives no answer")
    return parse(found[1])


def parse(text: str) -> List[Dict[str, str]]:
    """The devices of the summary's text."""
    devices: List[Dict[str, str]] = []
    for line in text.splitlines():
        key, has, value = (part.strip() for part in line.partition("="))
        if line.startswith("GPU") and line.rstrip().endswith(":"):
            devices.append({})
        elif has and devices and key in KEYS:
            devices[-1][KEYS[key]] = value
    return devices
