"""Bringing a release into service so that a good one serves at every moment that the box allows.

1. preflight: the model is there, the port is free, the binary accepts every argument. Nothing is stopped for it.
2. rehearsal (when there is memory for both): the new release starts on a spare port and passes the gate there,
   while the old one serves.
3. trial: the new unit is put in /run, where it wins over the old one in /etc and is gone with a reboot.
4. gate: the server answers as planned. If not, the trial is removed and the old release runs again.
5. promotion: the journal says that it passed, the unit goes to /etc, `current` points to the release.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from typing import Any, Callable, Dict, List

from strixkit.remote.agent import atomic, gate, journal, paths, systemd

Step = Dict[str, Any]
Report = Callable[[str], None]
KEEP_RELEASES = 5
PORT_MARK = "@CANDIDATE_PORT@"


class ActivationError(RuntimeError):
    """The release is not in service; carries the gate's checks and the server's last lines."""

    def __init__(self, message: str, checks: "List[Dict[str, Any]]", log: "List[str]") -> None:
        super().__init__(message)
        self.checks = checks
        self.log = log


def _home(service: str) -> str:
    return os.path.join(paths.SERVICES, service)


def _unit(service: str) -> str:
    return "llama-server-%s.service" % service


def write_release(step: Step, report: Report) -> None:
    """Write the release's folder: complete and synced before it gets its name."""
    parent = _home(str(step["service"])) + "/releases"
    os.makedirs(parent, mode=0o755, exist_ok=True)
    final = os.path.join(parent, str(step["release"]))
    half = os.path.join(parent, ".half")
    shutil.rmtree(half, ignore_errors=True)
    os.mkdir(half, 0o755)
    for name, text in step["files"].items():
        atomic.write(os.path.join(half, os.path.basename(name)), str(text).encode(), 0o644)
    shutil.rmtree(final, ignore_errors=True)
    os.rename(half, final)
    atomic.sync_directory(parent)


def activate(step: Step, report: Report) -> None:
    """Run the five phases for release `step["release"]` of `step["service"]`."""
    service, release = str(step["service"]), str(step["release"])
    folder = "%s/releases/%s" % (_home(service), release)
    manifest = atomic.read_json(folder + "/manifest.json")
    unit_text = atomic.read_text(folder + "/unit", 1 << 20)
    if not isinstance(manifest, dict) or unit_text is None:
        raise RuntimeError("release %s of %s is not complete in %s" % (release, service, folder))
    name = _unit(service)
    report("preflight")
    preflight(manifest, systemd.show([name])[name])
    if step.get("beside"):
        report("rehearsal")
        rehearse(service, folder, manifest, report)
    report("trial")
    try:
        _start_trial(name, unit_text + "\n")
        report("gate")
        checks = gate.check(name, manifest, int(manifest["port"]))
        failed = [check for check in checks if not check["ok"]]
        if failed:
            raise RuntimeError("; ".join(check["text"] for check in failed))
    except RuntimeError as error:
        log = systemd.log_tail(name)
        report("restore")
        restored = _restore(service, name)
        raise ActivationError("release %s did not pass: %s; %s" % (release, error, restored), [], log) from error
    journal.append({"event": "gated", "service": service, "release": release, "checks": checks})
    report("promote")
    _promote(service, release, name, unit_text + "\n")
    report("promoted")
    _prune(service)


def preflight(manifest: "Dict[str, Any]", running: "Dict[str, str]") -> None:
    """Find what would make the server fail at once. Raises RuntimeError."""
    model = str(manifest["model"]["path"])
    if not os.path.isfile(model):
        raise RuntimeError("model %s is not on the box" % model)
    port = int(manifest["port"])
    ours = int(running.get("MainPID", "0") or 0)
    others = [pid for pid in systemd.listeners(port) if pid != ours]
    if others:
        command = (atomic.read_text("/proc/%d/cmdline" % others[0]) or "").replace("\0", " ").strip()
        raise RuntimeError("port %d is taken by process %d (%s)" % (port, others[0], command or "unknown"))
    _try_arguments(manifest)


def _try_arguments(manifest: "Dict[str, Any]") -> None:
    """Let the binary parse everything as the service's user: with `--version` last it checks all and loads nothing."""
    entry = pwd.getpwnam(str(manifest["user"]))
    argv = ["/dev/null" if word.startswith("%d/") else word for word in manifest["argv"]]
    environment = dict(manifest["environment"], PATH="/usr/bin:/bin", HOME="/", LC_ALL="C.UTF-8")
    done = subprocess.run(
        argv + ["--version"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd="/",
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=os.getgrouplist(entry.pw_name, entry.pw_gid),
        timeout=120,
    )
    if done.returncode != 0:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise ActivationError("the server does not accept its arguments", [], lines[-20:])


def rehearse(service: str, folder: str, manifest: "Dict[str, Any]", report: Report) -> None:
    """Start the new release on a spare loopback port beside the old one, and gate it there."""
    name = "llama-server-%s-candidate.service" % service
    text = atomic.read_text(folder + "/candidate", 1 << 20)
    if text is None:
        raise RuntimeError("release has no candidate unit in %s" % folder)
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port = int(spare.getsockname()[1])
    path = os.path.join(paths.CANDIDATE_UNITS, name)
    os.makedirs(paths.CANDIDATE_UNITS, exist_ok=True)
    try:
        atomic.write(path, (text.replace(PORT_MARK, str(port)) + "\n").encode(), 0o644)
        systemd.systemctl("daemon-reload")
        systemd.systemctl("restart", "--", name)
        argv = [word.replace(PORT_MARK, str(port)) for word in manifest["candidate_argv"]]
        checks = gate.check(name, dict(manifest, argv=argv), port)
        failed = [check for check in checks if not check["ok"]]
        if failed:
            raise RuntimeError("; ".join(check["text"] for check in failed))
    except RuntimeError as error:
        raise ActivationError(
            "rehearsal failed, nothing was stopped: %s" % error, [], systemd.log_tail(name)
        ) from error
    finally:
        _discard(name, path)


def _discard(name: str, path: str) -> None:
    systemd.systemctl("stop", "--", name, check=False)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    systemd.systemctl("reset-failed", "--", name, check=False)
    systemd.systemctl("daemon-reload", check=False)


def _start_trial(name: str, text: str) -> None:
    os.makedirs(paths.TRIAL_UNITS, exist_ok=True)
    atomic.write(os.path.join(paths.TRIAL_UNITS, name), text.encode(), 0o644)
    systemd.systemctl("daemon-reload")
    systemd.systemctl("reset-failed", "--", name, check=False)
    systemd.systemctl("restart", "--", name)


def _restore(service: str, name: str) -> str:
    """Take the trial away and let what is in /etc run again; says what runs now."""
    if not os.path.exists(os.path.join(paths.UNITS, name)):
        _discard(name, os.path.join(paths.TRIAL_UNITS, name))
        return "no release was in service before, so none is now"
    systemd.systemctl("stop", "--", name, check=False)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(paths.TRIAL_UNITS, name))
    systemd.systemctl("daemon-reload")
    systemd.systemctl("reset-failed", "--", name, check=False)
    current = os.path.basename(os.path.realpath(_home(service) + "/current"))
    try:
        systemd.systemctl("start", "--", name)
        manifest = atomic.read_json("%s/current/manifest.json" % _home(service)) or {}
        failed = [check["text"] for check in gate.check(name, manifest, int(manifest["port"])) if not check["ok"]]
    except (RuntimeError, KeyError) as error:
        return "release %s was started again, but: %s" % (current, error)
    if failed:
        return "release %s was started again, but: %s" % (current, "; ".join(failed))
    return "release %s serves again (gate passed)" % current


def _promote(service: str, release: str, name: str, text: str) -> None:
    atomic.write(os.path.join(paths.UNITS, name), text.encode(), 0o644)
    atomic.link(_home(service) + "/current", "releases/" + release)
    systemd.systemctl("enable", "--", name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(paths.TRIAL_UNITS, name))
    systemd.systemctl("daemon-reload")


def _prune(service: str) -> None:
    """Keep the newest gated releases; the current one is always among them."""
    parent = _home(service) + "/releases"
    keep = journal.gated(journal.entries(), service)[-KEEP_RELEASES:]
    for name in os.listdir(parent):
        if name not in keep:
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
