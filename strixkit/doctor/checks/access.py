"""Who may do what: the services with the GPU, and strixkit's kind with sudo."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.evidence import ServiceUser, Unit
from strixkit.doctor.services import on_rocm, units
from strixkit.doctor.texts import GITHUB, issue, no_gpu

KFD = "/dev/kfd"
RENDER = "/dev/dri/renderD"
GATED = ("closed", "strict")  # values of DevicePolicy= that let through what DeviceAllow= names


def gpu_access(examined: Examined) -> Iterator[Point]:
    """Groups, nodes, and the sandbox of the units."""
    user = examined.evidence.user
    for unit in units(examined):
        yield from _sandbox(unit, rocm=unit in on_rocm(examined))
    if user is None:
        why = examined.evidence.why_unread("user")
        yield bad(why, _deploy(examined)) if units(examined) and why.startswith("there is no user") else skip(why)
        return
    groups = {*user.groups, *user.unit_groups}
    if "render" not in groups:
        yield bad(f"user {user.name} is not in group render, nor are its units", _deploy(examined))
    if "video" not in groups:
        yield doubt(f"user {user.name} is not in group video, nor are its units", _deploy(examined))
    yield from _nodes(examined, user)


def _deploy(examined: Examined) -> str:
    return f"invoke deploy --host {examined.host.name}"


def _nodes(examined: Examined, user: ServiceUser) -> Iterator[Point]:
    if user.why:
        yield skip(user.why)
        return
    needed = {path: may for path, may in user.nodes.items() if path.startswith(RENDER)}
    if on_rocm(examined):
        needed[KFD] = user.nodes.get(KFD, False)
    closed = sorted(path for path, may in needed.items() if not may)
    if closed:
        yield bad(
            f"user {user.name} may not read and write {', '.join(closed)}", "ls -l /dev/kfd /dev/dri: root:render 0660"
        )
    elif any(path.startswith(RENDER) for path in needed):
        yield good(f"user {user.name} may use {', '.join(sorted(needed))}")
    elif examined.facts.gpu is None:
        yield skip(no_gpu(examined.facts))
    elif any(key.startswith("gpu") for key in examined.facts.simulated):
        yield skip("there is no /dev/dri/renderD*: the GPU is SIMULATED")
    else:
        yield bad(
            "there is no /dev/dri/renderD* (a container without it?)",
            "give the box the GPU's nodes; dmesg | grep amdgpu",
        )


def _sandbox(unit: Unit, *, rocm: bool) -> Iterator[Point]:
    """What of the unit's own settings keeps the GPU from it."""
    do = "a drop-in of the unit does that: systemctl cat, and remove it"
    if unit.private_devices:
        yield bad(f"{unit.name} has PrivateDevices=yes, which hides the GPU", do)
    if unit.device_policy in GATED:
        allowed = " ".join(unit.device_allow)
        if "char-drm" not in allowed and "/dev/dri" not in allowed:
            yield bad(f"{unit.name} allows no device of DRM (DeviceAllow=)", do)
        if rocm and "char-kfd" not in allowed and KFD not in allowed:
            yield bad(f"{unit.name} computes on ROCm and does not allow {KFD} (DeviceAllow=)", do)


def sudo_rs(examined: Examined) -> Iterator[Point]:
    """Whether sudo asks in other words than tools expect."""
    found = examined.facts.sudo
    if not found:
        yield skip("sudo is not there, or does not say its version")
    elif "sudo-rs" not in found:
        yield good(found)
    elif not examined.asked_password:
        yield good(f"{found}; the login needs no password of it")
    else:
        seen = f"{found}: it asks for a password in words of its own, which Ansible and others do not know"
        yield doubt(f"{seen} (strixkit does)", "NOPASSWD for the user in /etc/sudoers.d, or /usr/bin/sudo.ws")


CHECKS = {
    "gpu-access": Check(
        id="gpu-access",
        group="access",
        question="May the services use the GPU?",
        looks_at="the groups of the services' user and of their units (render, video); whether that user, with these "
        "groups, may read and write /dev/dri/renderD* (and /dev/kfd for ROCm), tried as that user; PrivateDevices=, "
        "DevicePolicy= and DeviceAllow= of the units.",
        why="The nodes belong to root:render, and whoever sits at the desktop gets them by an ACL. Over ssh and in a "
        "service there is none: ROCm says `no ROCm-capable device is detected` or HSA_STATUS_ERROR_OUT_OF_RESOURCES, "
        "Vulkan says nothing and computes on the CPU. A udev rule with mode 0666 is not needed.",
        links=(
            f"{GITHUB}ROCm/TheRock/blob/main/docs/environment_setup_guide.md",
            f"{GITHUB}hogeheer499-commits/strix-halo-guide",
        ),
        mended_by="roles base and server",
        confidence="several reports",
        reads=("gpu",),
        verdicts=frozenset(Verdict),
        look=gpu_access,
    ),
    "sudo-rs": Check(
        id="sudo-rs",
        group="access",
        question="Does sudo ask as remote tools expect?",
        looks_at="the first line of sudo --version, and whether this login needed a password.",
        why="sudo-rs (Ubuntu from 25.10 on) prints `[sudo: ...] Password:` in place of the prompt that was asked "
        "for, and its makers keep it so. Ansible, mitogen and pyinfra waited for ever. strixkit knows both.",
        links=(issue("trifectatechfoundation/sudo-rs", 1461), issue("ansible/ansible", 85837)),
        mended_by="/etc/sudoers.d on the box (NOPASSWD)",
        confidence="several reports",
        reads=("sudo",),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=sudo_rs,
    ),
}
