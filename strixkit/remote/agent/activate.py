"""Bringing a release into service so that a good one serves at every moment that the box allows.

1. preflight: the model is there, the port is free, the binary accepts every argument, and a dry run on a device that
   computes nothing takes no more memory than the plan has. Nothing is stopped for it.
2. rehearsal (when there is memory for both): the new release starts on a spare port and passes the gate there,
   while the old one serves.
3. trial: the new unit is put in /run, where it wins over the old one in /etc and is gone with a reboot.
4. gate: the server answers as planned. If not, the trial is removed and the old release runs again.
5. promotion: the journal says that it passed, the unit goes to /etc, `current` points to the release.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
from typing import Any, Dict, List

from strixkit.remote.agent import atomic, confirm, dryrun, gate, journal, paths, systemd
from strixkit.remote.agent.preflight import ActivationError, preflight
from strixkit.remote.agent.report import Report

Step = Dict[str, Any]
KEEP_RELEASES = 5
PORT_MARK = "@CANDIDATE_PORT@"


def _home(service: str) -> str:
    return os.path.join(paths.SERVICES, service)


def _unit(service: str) -> str:
    return "llama-server-%s.service" % service


def write_release(step: Step, report: Report) -> None:
    """Write the release's folder: complete and synced before it gets its name. `current` may point to it already."""
    parent = _home(str(step["service"])) + "/releases"
    os.makedirs(parent, mode=0o755, exist_ok=True)
    final = os.path.join(parent, str(step["release"]))
    exists = os.path.isdir(final)
    folder = final if exists else os.path.join(parent, ".half")
    if not exists:
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o755)
    for name, text in step["files"].items():
        atomic.write(os.path.join(folder, os.path.basename(name)), str(text).encode(), 0o644)
    if not exists:
        os.rename(folder, final)
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
    rehearsed = [] if step.get("rollback") else _dry_run(manifest, report)
    if step.get("beside"):
        report("rehearsal")
        rehearse(service, folder, manifest, report)
    report("trial")
    try:
        _start_trial(name, unit_text + "\n")
        report("gate")
        passed = _pass_gate(name, manifest, int(manifest["port"]))
        entry = {"event": "gated", "service": service, "release": release, "checks": rehearsed + passed.checks}
        journal.append(dict(entry, before=_current(service), rollback=bool(step.get("rollback"))))
        report("promote")
        _promote(service, release, name, unit_text + "\n")
    except Exception as error:  # whatever went wrong, the release before must run again
        log = systemd.log_tail(name)
        with contextlib.suppress(OSError):  # a full /run must not keep the old release from being started
            report("restore")
        restored = restore(service)
        raise ActivationError("release %s did not pass: %s; %s" % (release, error, restored), log) from error
    report("promoted")
    for check in rehearsed + passed.checks:
        if check["ok"] is None:
            report.note(check["text"])
    if passed.measured is not None:
        with contextlib.suppress(OSError):  # a full disk ends no service that has passed its gate
            atomic.write_json(folder + "/measured.json", passed.measured, 0o644)
    _prune(service)


def _dry_run(manifest: "Dict[str, Any]", report: Report) -> "List[Dict[str, Any]]":
    """The checks of a dry run; a bad one refuses the release before anything is stopped."""
    report("dry run")
    checks = dryrun.check(manifest)
    failed = [check["text"] for check in checks if check["ok"] is False]
    if failed:
        raise RuntimeError("the dry run refuses it, nothing was stopped: %s" % "; ".join(failed))
    return checks


def _current(service: str) -> str:
    """The release that `current` points to, or an empty string."""
    try:
        return os.path.basename(os.readlink(_home(service) + "/current"))
    except OSError:
        return ""


def _pass_gate(name: str, manifest: "Dict[str, Any]", port: int) -> confirm.Confirmation:
    """Return all checks, and what was measured, when none is bad; otherwise raises RuntimeError with those that are."""
    checks = gate.check(name, manifest, port)
    _raise_failed(checks)
    confirmed = confirm.confirm(name, manifest)
    _raise_failed(confirmed.checks)
    return confirmed._replace(checks=checks + confirmed.checks)


def _raise_failed(checks: "List[Dict[str, Any]]") -> None:
    failed = [check["text"] for check in checks if check["ok"] is False]
    if failed:
        raise RuntimeError("; ".join(failed))


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
        _pass_gate(name, dict(manifest, argv=argv, gate_address="127.0.0.1"), port)
    except RuntimeError as error:
        raise ActivationError("rehearsal failed, nothing was stopped: %s" % error, systemd.log_tail(name)) from error
    finally:
        _discard(name, path)


def _discard(name: str, path: str, *, stop: bool = True) -> None:
    if stop:
        systemd.systemctl("stop", "--", name, check=False)
    with contextlib.suppress(OSError):
        os.unlink(path)
    systemd.systemctl("reset-failed", "--", name, check=False)
    systemd.systemctl("daemon-reload", check=False)


def _start_trial(name: str, text: str) -> None:
    os.makedirs(paths.TRIAL_UNITS, exist_ok=True)
    atomic.write(os.path.join(paths.TRIAL_UNITS, name), text.encode(), 0o644)
    systemd.systemctl("daemon-reload")
    systemd.systemctl("reset-failed", "--", name, check=False)
    systemd.systemctl("restart", "--", name)


def restore(service: str) -> str:
    """Take the trial away and let what is in /etc run again; says what runs now. Nothing before the start may raise."""
    name, current = _unit(service), _current(service)
    with contextlib.suppress(OSError, RuntimeError):
        pid = int(systemd.show([name])[name].get("MainPID", "0") or 0)
        # The trial may have failed before it stopped anything.
        runs_current = bool(current) and systemd.process(pid).get("digest") == current
        _discard(name, os.path.join(paths.TRIAL_UNITS, name), stop=not runs_current)
    if not os.path.exists(os.path.join(paths.UNITS, name)):
        return "no release was in service before, so none is now"
    try:
        try:
            systemd.systemctl("start", "--", name)
        except RuntimeError:  # one more try: the memory of the one before may only just have been freed
            systemd.systemctl("start", "--", name)
        manifest = atomic.read_json("%s/current/manifest.json" % _home(service)) or {}
        _pass_gate(name, manifest, int(manifest["port"]))
    except Exception as error:  # the caller's own error must not be lost
        return "release %s was started again, but: %s" % (current, error)
    return "release %s serves again (gate passed)" % current


def leftovers() -> List[str]:
    """Units of candidates and trials; without a running job they are those of a job that was killed."""
    patterns = (
        paths.CANDIDATE_UNITS + "/llama-server-*-candidate.service",
        paths.TRIAL_UNITS + "/llama-server-*.service",
    )
    return [path for pattern in patterns for path in glob.glob(pattern)]


def clean_up() -> None:
    """After a killed job: no candidate stays loaded, and no trial that did not pass stays in service."""
    for path in leftovers():
        name = os.path.basename(path)
        if path.startswith(paths.TRIAL_UNITS):
            restore(name[len("llama-server-") : -len(".service")])
        else:
            _discard(name, path)


def _promote(service: str, release: str, name: str, text: str) -> None:
    """Unit to /etc, `current`, enabled; only then goes the trial, so that at each moment a reboot starts a gated one.

    The link is made here: while the trial exists, `systemctl enable` would make it point into /run.
    """
    unit = os.path.join(paths.UNITS, name)
    atomic.write(unit, text.encode(), 0o644)
    atomic.link(_home(service) + "/current", "releases/" + release)
    os.makedirs(paths.WANTS, mode=0o755, exist_ok=True)
    atomic.link(os.path.join(paths.WANTS, name), unit)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(paths.TRIAL_UNITS, name))
    systemd.systemctl("daemon-reload")


def _prune(service: str) -> None:
    """Keep the newest gated releases; the current one is always among them."""
    parent = _home(service) + "/releases"
    keep = journal.gated(journal.gatings(), service)[-KEEP_RELEASES:]
    for name in os.listdir(parent):
        if name not in keep:
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
