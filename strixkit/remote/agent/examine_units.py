"""Evidence of the services: their units, who they run as, what their binary sees, what it logged."""

from __future__ import annotations

import os
import re
import shlex
from typing import Any, Dict, List, Tuple

from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread, is_root, need_root

Unit = Dict[str, Any]
PROPERTIES = (
    "Id,LoadState,ActiveState,MainPID,InvocationID,User,Group,SupplementaryGroups,PrivateDevices,DevicePolicy,"
    "DeviceAllow,Environment,ExecStart,ExecMainStartTimestampMonotonic"
)
# Variables that the checks judge. The rest of an environment may hold anything, keys too, and stays on the box.
SHOWN_VARIABLES = re.compile(
    r"(?:HSA|GGML|VK|AMD|HIP|ROCR|ROCM|ROCBLAS|GPU|RADV|MESA|CUDA)_[A-Z0-9_]+"
    r"|LD_LIBRARY_PATH|LLAMA_ARG_(?:DEVICE|MMAP|NO_MMAP|MODEL|LOAD_MODE|DIO|DIRECT_IO)"
)
SECRET_FLAGS = ("--api-key", "--ssl-key-file", "--hf-token", "-hft")
LOGGED = (
    r"offloaded [0-9]+/[0-9]+ layers to GPU|model buffer size|Memory critical error by agent|no ROCm-capable device"
    r"|ErrorDeviceLost|context is lost|no usable GPU found"
)
LOG_LINES = 60
MODEL_FLAGS = ("-m", "--model")
LIST_SECONDS = 20.0
EXEC = re.compile(r"argv\[\]=(.*?) ; (?:ignore_errors|flags)=")


def _unit_names(machine: Machine, request: Dict[str, Any]) -> List[str]:
    return ["llama-server-%s.service" % os.path.basename(str(name)) for name in request.get("services", [])]


def _blocks(machine: Machine, request: Dict[str, Any]) -> "List[Dict[str, List[str]]]":
    """The properties of each unit that systemd knows: name -> all values that were printed."""
    names = _unit_names(machine, request)
    if not names:
        return []
    found = machine.run("systemctl", "show", "--property=" + PROPERTIES, "--", *names)
    if found is None:
        raise Unread("systemctl gives no answer")
    blocks = []
    for block in found[1].strip("\n").split("\n\n"):
        values: Dict[str, List[str]] = {}
        for line in block.splitlines():
            key, has, value = line.partition("=")
            if has:
                values.setdefault(key, []).append(value)
        if values.get("LoadState", [""])[0] not in ("", "not-found"):
            blocks.append(values)
    return blocks


def _one(values: "Dict[str, List[str]]", key: str) -> str:
    return values.get(key, [""])[0]


def _words(text: str) -> List[str]:
    """As systemctl quotes them."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _argv(machine: Machine, values: "Dict[str, List[str]]") -> List[str]:
    """What the process runs, or, while there is none, what the unit says."""
    pid = _one(values, "MainPID")
    live = machine.read("/proc/%s/cmdline" % pid) if pid.isdecimal() and pid != "0" else None
    if live:
        return live.rstrip("\0").split("\0")
    found = EXEC.search(_one(values, "ExecStart"))
    return _words(found.group(1)) if found else []


def _environment(machine: Machine, values: "Dict[str, List[str]]") -> Dict[str, str]:
    """All variables of the process, those of systemd's own configuration too; or what the unit says."""
    pid = _one(values, "MainPID")
    live = machine.read("/proc/%s/environ" % pid, 1 << 20) if pid.isdecimal() and pid != "0" else None
    pairs = live.split("\0") if live else _words(_one(values, "Environment"))
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _without_secrets(argv: List[str]) -> List[str]:
    shown = []
    for before, word in zip(["", *argv], argv):
        flag, has, _ = word.partition("=")
        if before in SECRET_FLAGS:
            shown.append("(not shown)")
        elif has and flag in SECRET_FLAGS:
            shown.append(flag + "=(not shown)")
        else:
            shown.append(word)
    return shown


def _after(argv: List[str], flags: Tuple[str, ...]) -> str:
    return next((argv[index + 1] for index, word in enumerate(argv[:-1]) if word in flags), "")


def units(machine: Machine, request: Dict[str, Any]) -> List[Unit]:
    """Each unit of the wanted services that is there."""
    answer = []
    for values in _blocks(machine, request):
        argv, environment = _argv(machine, values), _environment(machine, values)
        model = _after(argv, MODEL_FLAGS) or environment.get("LLAMA_ARG_MODEL", "")
        icds = environment.get("VK_DRIVER_FILES") or environment.get("VK_ICD_FILENAMES") or ""
        answer.append(
            {
                "name": _one(values, "Id"),
                "active": _one(values, "ActiveState"),
                "pid": int(_one(values, "MainPID") or 0),
                "user": _one(values, "User") or "root",
                "groups": _one(values, "SupplementaryGroups").split(),
                "private_devices": _one(values, "PrivateDevices") == "yes",
                "device_policy": _one(values, "DevicePolicy"),
                "device_allow": [value for value in values.get("DeviceAllow", []) if value],
                "argv": _without_secrets(argv),
                "environment": {key: value for key, value in environment.items() if SHOWN_VARIABLES.fullmatch(key)},
                "model_bytes": _size(machine, model),
                "missing_icds": [path for path in icds.split(":") if path and not machine.exists(path)],
            }
        )
    return answer


def _size(machine: Machine, path: str) -> int:
    found = machine.run("stat", "--dereference", "--format=%s", path) if path else None
    return int(found[1]) if found is not None and found[0] == 0 else 0


def user(machine: Machine, request: Dict[str, Any]) -> Dict[str, Any]:
    """The service's user: its groups, and whether it may read and write the GPU's nodes with them."""
    blocks = _blocks(machine, request)
    name = (_one(blocks[0], "User") if blocks else "") or str(request.get("user", ""))
    more = sorted({group for values in blocks for group in _one(values, "SupplementaryGroups").split()})
    found = machine.run("id", "--name", "--groups", "--", name)
    if found is None or found[0] != 0:
        raise Unread("there is no user %s" % name)
    own = found[1].split()
    answer: Dict[str, Any] = {"name": name, "groups": own, "unit_groups": more, "nodes": {}, "why": ""}
    nodes = [path for path in ["/dev/kfd"] + machine.glob("/dev/dri/renderD*") if machine.exists(path)]
    if not is_root(machine):
        answer["why"] = "only root may try it as user %s" % name
        return answer
    for path in nodes:
        tried = machine.run(*as_user(name, own, more), "test", "-r", path, "-a", "-w", path)
        if tried is None or tried[0] not in (0, 1):
            answer["why"] = "setpriv cannot become user %s" % name
        else:
            answer["nodes"][path] = tried[0] == 0
    return answer


def as_user(name: str, own: List[str], more: List[str]) -> List[str]:
    """The words before a command that is to run as the user with its own groups and those of the unit."""
    groups = own + [group for group in more if group not in own]
    return ["setpriv", "--reuid=" + name, "--regid=" + own[0], "--groups=" + ",".join(groups), "--no-new-privs"]


def devices(machine: Machine, request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """What each unit's own binary lists, as the unit's user and with its environment; not in the unit's sandbox.

    No shader cache: looking at a box writes nothing to it.
    """
    answer = []
    blocks = _blocks(machine, request)
    if blocks:
        need_root(machine, "what a service's binary lists as the service's user")
    for values in blocks:
        name, argv = _one(values, "User") or "root", _argv(machine, values)
        found = machine.run("id", "--name", "--groups", "--", name)
        if not argv or found is None or found[0] != 0:
            continue
        environment = dict(_environment(machine, values), PATH="/usr/bin:/bin", HOME="/")
        environment["MESA_SHADER_CACHE_DISABLE"] = "true"
        inside = as_user(name, found[1].split(), sorted(_one(values, "SupplementaryGroups").split()))
        limits: Any = {"seconds": LIST_SECONDS, "environment": environment}
        listed = machine.run(*inside, argv[0], "--list-devices", **limits)
        # The version goes to stderr.
        version = machine.run(*inside, "sh", "-c", 'exec "$0" --version 2>&1', argv[0], **limits)
        answer.append(
            {
                "unit": _one(values, "Id"),
                "exit": None if listed is None else listed[0],
                "lines": [] if listed is None else listed[1].splitlines()[:40],
                "version": [] if version is None else version[1].splitlines()[:5],
            }
        )
    return answer


def unit_log(machine: Machine, request: Dict[str, Any]) -> Dict[str, List[str]]:
    """Lines with a known signature that each unit's current run logged; the newest."""
    answer: Dict[str, List[str]] = {}
    for values in _blocks(machine, request):
        invocation = _one(values, "InvocationID")
        if not invocation:
            continue
        words = ("--no-pager", "--quiet", "--output=cat", "--lines=%d" % LOG_LINES, "--grep=" + LOGGED)
        found = machine.run("journalctl", *words, "_SYSTEMD_INVOCATION_ID=" + invocation)
        if found is None or not found[1].strip():
            continue
        answer[_one(values, "Id")] = found[1].splitlines()
    return answer
