"""A build is used only when it shows that it is the right one: commit, flags, devices, and what it computes.

It is asked as the service's user in the service's own sandbox, because that is what it will have: a device that root
sees proves nothing.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from typing import Any, Dict, List

from strixkit.remote.agent import hashes, probe, transient
from strixkit.remote.agent.build import devices, golden
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.question import SERVER
from strixkit.remote.agent.report import Report

Spec = Dict[str, Any]
CHILD = "strixkit.remote.agent.build.child"
RUN_SECONDS = 60.0  # for --version and the like
GOLDEN_SECONDS = 300.0  # Vulkan compiles its shaders at the first start
CPU = "CPU"
NO_DEVICE = "none"  # -dev none
SHOWN_LINES = 20
# Beside what the service's unit has. A spec may say less time, never another user or network.
PROPERTIES = (
    "CacheDirectory=strixkit/verify",  # compiled shaders
    "PrivateTmp=yes",
    "PrivateNetwork=yes",
    "KillMode=control-group",
    "TimeoutStopSec=5s",
    "WorkingDirectory=/",
    "NoNewPrivileges=yes",
)


def verify(spec: Spec, folder: str, report: Report) -> "Dict[str, Any]":
    """Ask the programs of a folder; returns `verified` of build.json. Reports `verify` and each device.

    A build without llama-server has nothing to load: its programs must start (`--help`). Raises BuildError.
    """
    report("verify")
    wanted = spec["verify"]
    _check_user(str(wanted["user"]))
    result: "Dict[str, Any]" = {"version": "", "devices": [], "software": [], "golden": {}}
    if SERVER in spec["programs"]:
        server = os.path.join(folder, SERVER)
        result["version"] = _itself(wanted, server)
        result.update(_devices(wanted, server))
        if wanted.get("golden"):
            result["golden"] = _golden(wanted, server, report)
    else:
        for name in spec["programs"]:
            _ask(wanted, [[os.path.join(folder, str(name)), "--help"]], {})
    return {**result, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def _check_user(name: str) -> None:
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise BuildError("the service's user %s is not on this box; next: invoke deploy makes it" % name) from None
    if uid == 0:
        raise BuildError("the service's user is root, so nothing can be verified in its place")


def _itself(wanted: Spec, server: str) -> str:
    """Version and flags; returns the version."""
    said, flags = _ask(wanted, [[server, "--version"], [server, "--help"]], {})
    if wanted["commit"]:
        devices.check_commit(said, str(wanted["commit"]))
    if not probe.MODEL_FLAG.search(flags):
        raise BuildError("%s --help names no --model: %s" % (SERVER, flags.strip()[:300]))
    return devices.version(said)


def _devices(wanted: Spec, server: str) -> "Dict[str, Any]":
    """Each device with the environment that its service has; returns those found, and which compute on the CPU."""
    names, soft = [str(name) for name in wanted["devices"]], []
    for name in names:
        [said] = _ask(wanted, [[server, "--list-devices"]], _environment(wanted, name))
        soft += devices.check_devices(devices.listed(said), [name], bool(wanted["software"]))
    return {"devices": names, "software": soft}


def _environment(wanted: Spec, device: str) -> "Dict[str, str]":
    return {str(name): str(value) for name, value in wanted["environment"].get(device, {}).items()}


def _golden(wanted: Spec, server: str, report: Report) -> "Dict[str, float]":
    """device -> largest difference of a log-probability, in nats; the CPU is one of them."""
    expected, model = wanted["golden"]["expected"], str(wanted["golden"]["model"])
    if not os.path.isfile(model):
        raise BuildError("the model of the golden completion is not on this box: %s" % model)
    found = hashes.compute(model, report)
    if found != expected["sha256"]:
        raise BuildError("%s has sha256 %s, wanted %s" % (model, found, expected["sha256"]))
    differences: "Dict[str, float]" = {}
    for device in [CPU, *(str(name) for name in wanted["devices"])]:
        report("verify " + device)
        words = {"{device}": NO_DEVICE if device == CPU else device, "{model}": model}
        argv = [server, *(words.get(str(word), str(word)) for word in wanted["golden"]["argv"])]
        request = {"argv": argv, "environment": _environment(wanted, device), "body": expected["request"]}
        answer = _in_sandbox(wanted, request, GOLDEN_SECONDS)
        try:
            if answer["failure"]:
                raise BuildError("%s: %s" % (device, answer["failure"]), str(answer["log"]).splitlines()[-SHOWN_LINES:])
            differences[device] = round(golden.largest_difference(expected, answer["answer"]), 6)
        except golden.Wrong as error:
            text = "%s computes wrong, so the build is not used: %s"
            raise BuildError(text % (device, error), str(answer["log"]).splitlines()[-SHOWN_LINES:]) from error
        except (LookupError, TypeError) as error:
            raise BuildError("%s: no answer: %s" % (device, str(answer)[:300])) from error
    return differences


def _ask(wanted: Spec, commands: "List[List[str]]", environment: "Dict[str, str]") -> "List[str]":
    """What programs print that must end well, each. Raises BuildError with their words."""
    seconds = float(wanted.get("seconds", RUN_SECONDS))
    runs = [{"argv": argv, "environment": environment, "seconds": seconds} for argv in commands]
    answers = _in_sandbox(wanted, {"runs": runs}, seconds * len(runs))
    texts: "List[str]" = []
    for index, argv in enumerate(commands):
        what = " ".join([os.path.basename(argv[0]), *argv[1:]])
        try:
            answer = answers[index]
            text, error, code = str(answer["text"]), str(answer["error"]), answer["code"]
        except (LookupError, TypeError) as problem:  # it ran as the service's user
            raise BuildError("%s: no answer: %s" % (what, str(answers)[:300])) from problem
        if error or code != 0:
            said = text.strip().splitlines()[-SHOWN_LINES:]
            raise BuildError("%s %s" % (what, error or "failed (exit %s): %s" % (code, " | ".join(said[-3:]))), said)
        texts.append(text)
    return texts


def _in_sandbox(wanted: Spec, request: "Dict[str, Any]", seconds: float) -> Any:
    request["seconds"] = seconds = float(wanted.get("seconds", seconds))
    properties = [*(str(word) for word in wanted["sandbox"]), *PROPERTIES]
    user = transient.as_user(str(wanted["user"]))
    try:
        return transient.run("verify", CHILD, request, user=user, properties=properties, limit=seconds + RUN_SECONDS)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BuildError("the build could not be asked as user %s: %s" % (wanted["user"], error)) from error
