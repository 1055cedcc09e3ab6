"""Captured trees with changes: the agent's own code reads them, and the real checks judge what it found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strixkit.config.catalogue import load_runtime
from strixkit.config.host import Host, Provisioning, Service
from strixkit.doctor.check import Finding
from strixkit.doctor.diagnosis import diagnose, request
from strixkit.remote.agent.examine import examine
from strixkit.remote.agent.machine import Machine

SYSFS = Path(__file__).parents[2] / "data/sysfs"
BINARY = "/opt/rocmfp4-llama/build-strix-rocmfp4/bin/llama-server"
UNIT = "llama-server-main.service"
ENVIRONMENT = {"GGML_HIP_ENABLE_UNIFIED_MEMORY": "1", "HSA_OVERRIDE_GFX_VERSION": "11.5.1"}
RADV = "  Vulkan0: Radeon 8060S Graphics (RADV GFX1151) (111104 MiB, 110800 MiB free)"
ROCM = "  ROCm0: AMD Radeon Graphics (110592 MiB, 110000 MiB free)"
LOADED = ("load_tensors: offloaded 66/66 layers to GPU",)
WEIGHTS = "load_tensors:      {} model buffer size = 14000.00 MiB"


def host(**provisioning: Any) -> Host:
    """A host of the inventory with one service."""
    return Host(
        name="strix01",
        address="strix01",
        runtime="rocmfp4",
        provisioning=Provisioning(**provisioning),
        services={"main": Service(profile="coding", model="qwen3.6-27b-mtp")},
    )


@dataclass
class Deployed:
    """A service as it is deployed. groups: the user's; allows: DeviceAllow=; lists: of --list-devices, None: silent."""

    device: str = "Vulkan0"
    arguments: tuple[str, ...] = ("--no-mmap",)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    active: str = "active"
    groups: str = "llama video render"
    unit_groups: str = "render video"
    private: str = "no"
    allows: tuple[str, ...] = ("char-kfd rw", "char-drm rw")
    may: Mapping[str, int] = field(default_factory=lambda: {"/dev/kfd": 0, "/dev/dri/renderD128": 0})
    lists: tuple[str, ...] | None = (ROCM, RADV)
    exit: int = 0
    version: str = "version: 59 (baed43e)"
    log: tuple[str, ...] = LOADED
    weights: str = ""
    model_bytes: int = 16 << 30


class Tree:
    """A copy of a captured tree that can be changed."""

    def __init__(self, base: str, folder: Path) -> None:
        self.root = folder / base
        shutil.copytree(SYSFS / base, self.root, symlinks=True)

    def write(self, path: str, text: str) -> None:
        """A file of the machine."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def remove(self, *paths: str) -> None:
        """Files or folders of the machine."""
        for path in paths:
            target = self.root / path.lstrip("/")
            shutil.rmtree(target) if target.is_dir() else target.unlink()

    def says(self, command: str, *lines: str, exit: int = 0) -> None:
        """What a command prints."""
        captured = self._commands()
        self._record({**captured, command: {"exit": exit, "stdout": list(lines)}})

    def silent(self, *beginnings: str) -> None:
        """Commands that are not there, or give no answer."""
        self._record({key: said for key, said in self._commands().items() if not key.startswith(beginnings)})

    def _commands(self) -> dict[str, Any]:
        commands: dict[str, Any] = json.loads((self.root / "commands.json").read_text())
        return commands

    def _record(self, commands: dict[str, Any]) -> None:
        (self.root / "commands.json").write_text(json.dumps(commands))

    def packages(self, **versions: str | None) -> None:
        """Other versions of packages (`_` stands for `-`); None: not installed."""
        rows = [line.split("\t") for line in self._commands()["dpkg-query --show"]["stdout"]]
        installed = {row[1]: row[2] for row in rows} | {key.replace("_", "-"): value for key, value in versions.items()}
        lines = [f"installed\t{name}\t{version}" for name, version in installed.items() if version is not None]
        self.says("dpkg-query --show", *lines, exit=1)

    def deploy(self, service: Deployed) -> None:
        """Put a service there, in the place of the one that the tree may have."""
        self.silent("systemctl show", "setpriv", "id ", "journalctl --no-pager", "stat --dereference")
        argv = [BINARY, "-m", "/var/lib/strixkit/models/model.gguf", "--port", "8080"]
        argv += ["-dev", service.device] if service.device else []
        words = " ".join([*argv, *service.arguments])
        properties = {
            "Id": UNIT,
            "LoadState": "loaded",
            "ActiveState": service.active,
            "MainPID": "4711" if service.active == "active" else "0",
            "InvocationID": "0123456789abcdef",
            "User": "llama",
            "SupplementaryGroups": service.unit_groups,
            "PrivateDevices": service.private,
            "DevicePolicy": "closed",
            "Environment": " ".join(f"{key}={value}" for key, value in service.environment.items()),
            "ExecStart": f"{{ path={BINARY} ; argv[]={words} ; ignore_errors=no ; pid=0 }}",
        }
        lines = [f"{key}={value}" for key, value in properties.items()]
        self.says("systemctl show", *lines, *(f"DeviceAllow={value}" for value in service.allows))
        self.says("id --name --groups -- llama", service.groups)
        groups = list(dict.fromkeys([*service.groups.split(), *sorted(service.unit_groups.split())]))
        for path, exit in service.may.items():
            self.says(f"{_as_user(groups)} test -r {path} -a -w {path}", exit=exit)
        inside = _as_user(groups)
        if service.lists is not None:
            self.says(f"{inside} {BINARY} --list-devices", "Available devices:", *service.lists, exit=service.exit)
        if service.version:
            self.says(f'{inside} sh -c exec "$0" --version 2>&1 {BINARY}', service.version)
        if service.log:
            weights = WEIGHTS.format(service.weights or service.device or "Vulkan0")
            self.says("journalctl --no-pager --quiet --output=cat", *service.log, weights)
        self.says("stat --dereference --format=%s", str(service.model_bytes))

    def answer(self, wanted: Host | None = None) -> dict[str, Any]:
        """What the agent answers of it, as it comes over the wire."""
        answer: dict[str, Any] = json.loads(json.dumps(examine(Machine(str(self.root)), request(wanted or host()))))
        return answer

    def diagnose(
        self, wanted: Host | None = None, *, simulated: Iterable[str] = (), asked_password: bool = False
    ) -> dict[str, Finding]:
        """All findings by id."""
        wanted = wanted or host()
        answer = self.answer(wanted)
        answer["facts"]["simulated"] = list(simulated)
        found = diagnose(wanted, load_runtime(wanted.runtime), answer, asked_password=asked_password)
        return {finding.id: finding for finding in found}


def _as_user(groups: list[str]) -> str:
    return f"setpriv --reuid=llama --regid=llama --groups={','.join(groups)} --no-new-privs"
