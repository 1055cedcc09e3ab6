"""The steps that make a wish true. Each is atomic or can be run again; each is followed by a fresh observation."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import secrets
import subprocess
from typing import Any, Callable, Dict

from strixkit.remote.agent import apt, atomic, backup, credentials, hashes, loader, paths, systemd
from strixkit.remote.agent.later import later
from strixkit.remote.agent.observe import decode
from strixkit.remote.agent.report import Report

Step = Dict[str, Any]


def _owner(step: Step) -> "tuple[int, int]":
    uid = pwd.getpwnam(str(step.get("owner", "root"))).pw_uid
    return uid, grp.getgrnam(str(step.get("group", "root"))).gr_gid


def write(step: Step, report: Report) -> None:
    """Put a file in place in one rename."""
    uid, gid = _owner(step)
    atomic.write(str(step["path"]), decode(step), int(step["mode"]), uid, gid)


def mkdir(step: Step, report: Report) -> None:
    """Make a directory, or give an existing one its owner and mode."""
    uid, gid = _owner(step)
    path = str(step["path"])
    if not os.path.isdir(path):
        os.mkdir(path, 0o700)
    os.chown(path, uid, gid)
    os.chmod(path, int(step["mode"]))
    atomic.sync_directory(os.path.dirname(path))


def symlink(step: Step, report: Report) -> None:
    """Point a symbolic link at its target in one rename."""
    atomic.link(str(step["path"]), str(step["target"]))


def remove(step: Step, report: Report) -> None:
    """Remove a file or link; a directory only when it is empty. What others have written is kept, by wish."""
    path = str(step["path"])
    if step.get("keep"):
        backup.keep(path)
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)


def secret(step: Step, report: Report) -> None:
    """Make a random key, once; it never leaves the box with a plan, an event or the journal.

    A key that is there stays, without the blanks and line breaks around it; what is no key is replaced.
    """
    uid, gid = _owner(step)
    path = str(step["path"])
    data = credentials.read(path) if os.path.isfile(path) else b""
    if not credentials.valid(data):
        data = (credentials.stripped(data) or ("sk-" + secrets.token_urlsafe(32)).encode()) + b"\n"
    atomic.write(path, data, int(step["mode"]), uid, gid)


def _tool(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (command[0], (done.stderr or done.stdout).strip()))


def add_group(step: Step, report: Report) -> None:
    """Make a system group."""
    _tool("groupadd", "--system", "--", str(step["name"]))


def add_user(step: Step, report: Report) -> None:
    """Make a system account that nobody can log in to, or complete the groups of an existing one."""
    name = str(step["name"])
    groups = ",".join(step["groups"])
    try:
        pwd.getpwnam(name)
    except KeyError:
        extra = ["--groups", groups] if groups else []
        home = ["--home-dir", str(step["home"]), "--no-create-home", "--shell", "/usr/sbin/nologin"]
        own = ["--gid", name] if _group_exists(name) else ["--user-group"]
        _tool("useradd", "--system", *own, *home, *extra, "--", name)
    else:
        _tool("usermod", "--append", "--groups", groups, "--", name)


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def check_hash(step: Step, report: Report) -> None:
    """Read a large file once and record its hash; a wrong one stops the run before a service is touched."""
    path = str(step["path"])
    found = hashes.recorded(path) or hashes.compute(path, report)
    hashes.record(path, found)
    if found != step["sha256"]:
        raise RuntimeError("%s has sha256 %s, wanted %s" % (path, found, step["sha256"]))


def place(step: Step, report: Report) -> None:
    """Check an uploaded file's hash and rename it to its place; a wrong one is thrown away."""
    sha256, path = str(step["sha256"]), str(step["path"])
    partial = paths.partial(path, sha256)
    found = hashes.compute(partial, report)
    if found != sha256:
        os.unlink(partial)
        raise RuntimeError("upload of %s has sha256 %s, wanted %s; thrown away" % (path, found, sha256))
    uid, gid = _owner(step)
    with open(partial, "rb") as handle:
        os.fsync(handle.fileno())
    os.chown(partial, uid, gid)
    os.chmod(partial, int(step["mode"]))
    os.rename(partial, path)
    atomic.sync_directory(os.path.dirname(path))
    hashes.record(path, sha256)


def reload_units(step: Step, report: Report) -> None:
    """Let systemd read its unit files again."""
    systemd.systemctl("daemon-reload")


def unit_state(step: Step, report: Report) -> None:
    """One verb of systemctl on one unit: enable, disable, start, stop, restart, mask, unmask."""
    verb = str(step["verb"])
    if verb not in ("enable", "disable", "start", "stop", "restart", "mask", "unmask"):
        raise RuntimeError("unknown verb for a unit: %s" % verb)
    systemd.systemctl(verb, "--", str(step["unit"]))


STEPS: "Dict[str, Callable[[Step, Report], None]]" = {
    "write": write,
    "mkdir": mkdir,
    "symlink": symlink,
    "remove": remove,
    "secret": secret,
    "group": add_group,
    "user": add_user,
    "packages": apt.install,
    "purge": later("purge:purge"),
    "apt_repository": later("repository:put"),
    "no_apt_repository": later("repository:remove"),
    "ldconfig": loader.ldconfig,
    "unset": later("variables:unset"),
    "tuned": later("tuning:set_tuned"),
    "power_profile": later("tuning:set_power_profile"),
    "hash": check_hash,
    "place": place,
    "reload": reload_units,
    "unit": unit_state,
    "release": later("activate:write_release"),
    "activate": later("activate:activate"),
    "reboot": later("reboot:reboot"),
    "build": later("build.step:build"),
    "unpack_build": later("build.unpack:unpack_build"),
    "remove_build": later("build.remove:remove_build"),
    "evaluate": later("evaluate:evaluate"),
    "drop_logits": later("evaluate:drop_logits"),
    "fetch": later("fetch.step:fetch"),
    "make": later("make.step:make"),
    "verify_model": later("models_steps:verify_model"),
    "remove_model": later("models_steps:remove_model"),
    "kernel_arguments": later("boot.steps:kernel_arguments"),
    "modprobe": later("boot.modprobe:apply"),
    "initramfs": later("boot.initramfs:apply"),
}
