"""The kernel: its version, its arguments, what it logged, and what hangs in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roles.memory.role import LOCKUP_KERNEL
from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.services import log_lines, no_units, on_rocm, rocm_concerns, units
from strixkit.doctor.texts import AMD_PAGE, GITHUB, LLAMA_ISSUES, VULKAN_ONLY, gib, issue, no_gpu
from strixkit.doctor.versions import known
from strixkit.host.compatibility import numbers
from strixkit.host.provision import CONTAINER
from strixkit.planner.facts import Facts
from strixkit.resources.base import Change, Risk
from strixkit.resources.command_line import plain, values
from strixkit.resources.kernel_arguments import as_told

LIVE = " (live)"  # how KernelArguments ends the field of what only a reboot makes so
GFX1151 = 110501  # gfx_target_version in KFD's topology
TIMEOUT = "amdgpu.lockup_timeout"
ENOUGH_MS = 60000  # of the compute rings, as older kernels had
RING_TIMEOUT = re.compile(r"ring (?:comp|gfx)\S* timeout|device wedged", re.IGNORECASE)
LOST = ("ErrorDeviceLost", "context is lost")  # in a server's log
HELD = 2 << 30  # bytes of GTT that nobody should hold: a desktop has some hundred MiB, and is somebody
LOADS = re.compile(r"llama|ollama|python|rocm|vulkan|ggml", re.IGNORECASE)


def lockup_timeout(examined: Examined) -> Iterator[Point]:
    """How long a compute job may take before the driver resets the GPU, and whether that happened."""
    facts, services = examined.facts, units(examined)
    if facts.gpu is None:
        yield skip(no_gpu(examined.facts))
        return
    if services and len(on_rocm(examined)) == len(services):
        yield skip("all services compute on ROCm, which the rings' timeout does not concern")
        return
    log = examined.evidence.kernel_log
    hits = [line for line in log or () if RING_TIMEOUT.search(line)]
    command = f"invoke deploy --host {examined.host.name} --reboot"
    if hits:
        seen = f"the driver has reset the GPU in this boot, {len(hits)} lines, the last: {hits[-1]}"
        yield bad(seen, f"restart the service (it may serve a dead device), and raise {TIMEOUT}: {command}")
    lost = next(iter(log_lines(examined, *LOST)), None)
    if lost is not None:
        seen = f"{lost[0].name} has lost its device: {lost[1]}"
        yield bad(seen, f"restart the service, and raise {TIMEOUT}: {command}")
    if log is None:
        yield skip(f"whether the GPU was reset: {examined.evidence.why_unread('kernel_log')}")
    version = numbers(facts.kernel)
    if not version:
        yield skip(f"the kernel's version is not known ({facts.kernel or 'empty'})")
    elif version < LOCKUP_KERNEL:
        yield good(f"kernel {facts.kernel} gives compute jobs more than 2 s by itself")
    else:
        yield _timeout(facts.kernel, _in_effect(facts), command)


def _in_effect(facts: Facts) -> str | None:
    """The live value; from the command line, where an older driver has cut what /sys has of it."""
    found = facts.module_parameters.get(TIMEOUT)
    last = values(facts.cmdline, TIMEOUT)[-1:]
    return last[0] if last and found in as_told(last[0]) else found


def _timeout(kernel: str, value: str | None, command: str) -> Point:
    if value is None:
        return skip("/sys/module/amdgpu/parameters/lockup_timeout cannot be read")
    parts = value.split(",")
    compute = parts[1] if len(parts) > 1 else ""
    if compute.isdecimal() and int(compute) >= ENOUGH_MS:
        return good(f"kernel {kernel}, {TIMEOUT}={value}")
    found = f"{TIMEOUT}={value}" if value else f"no {TIMEOUT}"
    seen = f"kernel {kernel} with {found}: compute jobs of more than 2 s reset the GPU"
    return doubt(seen, f"{TIMEOUT}=10000,60000,10000,10000: {command}")


def kfd_cwsr(examined: Examined) -> Iterator[Point]:
    """Whether the kernel has the fix of KFD's queue sizes."""
    facts = examined.facts
    if not rocm_concerns(examined):
        yield skip(VULKAN_ONLY)
        return
    nodes = [node for node in facts.kfd if node.gfx_target_version == GFX1151]
    if not nodes:
        yield skip("KFD shows no gfx1151 (/sys/class/kfd/kfd/topology/nodes)")
        return
    missing = sorted({name for node in nodes for name in ("cwsr_size", "ctl_stack_size") if not getattr(node, name)})
    if not missing:
        yield good(f"kernel {facts.kernel} has cwsr_size and ctl_stack_size")
        return
    seen = f"kernel {facts.kernel} says no {' and no '.join(missing)} of gfx1151: ROCm computes wrong or crashes"
    floor = next((item.todo for item in known(facts, ("Linux",)) if item.todo), "a newer kernel, then reboot")
    do = f"{floor}; or stay on Vulkan: strix_rocm: none"
    needed = examined.wishes.rocm != "none" or on_rocm(examined)
    yield bad(seen, do) if needed else doubt(f"{seen}; no service uses it", do)


def kernel_arguments(examined: Examined) -> Iterator[Point]:
    """Wanted, live, and configured for the next boot."""
    wanted, boot = examined.wishes.kernel, examined.evidence.boot
    if wanted is None:
        yield skip(examined.wishes.error or examined.wishes.why)
    elif examined.facts.virtualization == CONTAINER:
        yield skip("a container, whose kernel is the host's")
    elif boot is None:
        yield skip(examined.evidence.why_unread("boot"))
    elif boot.loader == "none":
        yield skip(f"the boot loader: {boot.why or 'not known'}")
    elif boot.obstacle and not boot.entries:
        yield skip(boot.obstacle)
    else:
        # More names were asked for than are wanted here: which ones are depends on the facts.
        ours = {plain(argument.name) for argument in wanted.arguments if not argument.released}
        options = tuple(option for option in boot.modprobe if option.name in ours)
        yield from _states(examined, wanted.diff(boot.model_copy(update={"modprobe": options}).model_dump()))


def _states(examined: Examined, changes: tuple[Change, ...]) -> Iterator[Point]:
    """As wanted now, for the next boot, or neither. What a drop-in's text says besides is an audit's matter."""
    command = f"invoke deploy --host {examined.host.name}"
    names = {argument.name for argument in examined.wishes.arguments}
    told = [change for change in changes if not change.text]
    live = {change.field.removesuffix(LIVE): change for change in told if change.risk is Risk.REBOOT}
    for change in told:
        words = f"{change.field}: {change.found} -> {change.wanted}"
        if change.risk is Risk.REBOOT:
            continue
        if change.field in live:
            yield doubt(f"not as wanted, neither live nor for the next boot: {words}", f"{command} --reboot")
        elif change.field in names:
            yield bad(f"as wanted now, and not for the next boot: {words}", command)
        else:
            yield doubt(words, command)
    for name, change in live.items():
        if name not in {change.field for change in told}:
            seen = f"as wanted for the next boot, and not live: {name}: {change.found} -> {change.wanted}"
            yield doubt(seen, f"reboot: {command} --reboot")
    if not told:
        yield good("live, and configured for the next boot")


def npu(examined: Examined) -> Iterator[Point]:
    """Whether the NPU is there, or left out on purpose."""
    facts = examined.facts
    if facts.accelerators:
        yield good(f"the NPU is there: {', '.join(facts.accelerators)}")
    elif facts.iommu_groups is None:
        yield skip("/sys/kernel/iommu_groups cannot be read")
    elif facts.iommu_groups:
        yield good("no NPU is seen, and the IOMMU is not why")
    elif examined.host.provisioning.iommu == "off":
        yield good("the NPU is gone with the IOMMU, as strix_iommu: off says")
    else:
        do = f"boot without amd_iommu=off: invoke deploy --host {examined.host.name} --reboot"
        yield doubt("the NPU is gone: the IOMMU is off, and strix_iommu: default wants it", do)


def wedged_gpu(examined: Examined) -> Iterator[Point]:
    """Processes that no signal ends, and memory that nobody holds."""
    evidence, facts = examined.evidence, examined.facts
    if facts.gpu is None:
        yield skip(no_gpu(examined.facts))
        return
    running = {unit.name for unit in units(examined) if unit.active in ("active", "activating")}
    reboot = "reboot: nothing else frees it. Next time stop clients first, and give the server time to end"
    if evidence.sleepers is None:
        yield skip(f"processes: {evidence.why_unread('sleepers')}")
    for process in evidence.sleepers or ():
        if not LOADS.search(process.command):
            continue
        seen = f"{process.command} ({process.pid}) waits in the kernel (state D)"
        if examined.evidence.units is None:
            yield skip(f"{seen}; whose it is: {no_units(examined)}")
        elif process.unit in running:
            yield doubt(f"{seen}; it belongs to {process.unit}", "it may be reading its model: look again in a minute")
        else:
            yield bad(f"{seen} and belongs to no running service", reboot)
    for section in ("busy_percent", "mes"):
        if section in evidence.silent:
            yield bad(f"the driver does not answer who reads its files ({section})", reboot)
    yield from _held(examined, reboot)


def _held(examined: Examined, reboot: str) -> Iterator[Point]:
    """GTT that is in use without a user. Advisory, since one report says that it does not see all of HIP's memory."""
    gpu = examined.facts.gpu
    assert gpu is not None
    used = gib(gpu.gtt_used_bytes)
    somebody = bool(examined.facts.gpu_users) or any(unit.pid for unit in units(examined))
    if not gpu.gtt_total_bytes:
        yield skip("how much of GTT is in use: the GPU's mem_info_gtt_used cannot be read")
    elif somebody or gpu.gtt_used_bytes < HELD:
        yield good(f"{used} of GTT in use")
    elif examined.evidence.root:
        yield bad(f"{used} of GTT are in use, and no process has the GPU open", reboot)
    else:
        yield skip(f"{used} of GTT are in use; only root sees by whom")


CHECKS = {
    "lockup-timeout": Check(
        id="lockup-timeout",
        group="kernel",
        question="Does the driver wait for long Vulkan jobs?",
        looks_at="the kernel's version and the live /sys/module/amdgpu/parameters/lockup_timeout (gfx, compute, SDMA, "
        "video, in ms): WARN from 6.19 on with less than 60000 for compute. The kernel's log of this boot for `ring "
        "comp_... timeout` and `device wedged`, and the services' logs for ErrorDeviceLost: FAIL if the GPU was reset.",
        why="Linux 6.19 shortened the timeout of compute rings to 2 s; it was 60 s for long. Deep contexts and MTP "
        "prefill take longer, the driver resets the GPU, and the server sees vk::DeviceLostError; it may go on serving "
        "a dead device. With the old value 10 resets in three days became none. `Fence fallback timer expired` is "
        "harmless.",
        links=(
            f"{LLAMA_ISSUES}25664",
            f"{LLAMA_ISSUES}27076",
            f"{LLAMA_ISSUES}22774",
            issue("Nathanw1014/strix-halo-llamacpp", 16),
        ),
        mended_by="role memory (strix_lockup_timeout), and a reboot",
        confidence="several reports",
        reads=("gpu", "kernel", "module_parameters"),
        verdicts=frozenset(Verdict),
        look=lockup_timeout,
    ),
    "kfd-cwsr": Check(
        id="kfd-cwsr",
        group="kernel",
        question="Has the kernel the fix that ROCm needs on gfx1151?",
        looks_at="cwsr_size and ctl_stack_size of the node with gfx_target_version 110501 in "
        "/sys/class/kfd/kfd/topology/nodes/*/properties: both must be there. That holds for backports too, which a "
        "version does not tell. SKIP where only Vulkan is used: it works without.",
        why="Without the fix ROCm's queues are set up with wrong sizes: crashes, hangs and bad registers. AMD's "
        "floors: 6.18.4; Ubuntu 24.04 HWE 6.17.0-19.19~24.04.2 or OEM 6.14.0-1018; Ubuntu 26.04's own. Debian"
        " 13's 6.12 is below. Not needed with the fix: amdgpu.cwsr_enable=0.",
        links=(
            AMD_PAGE,
            f"{GITHUB}lemonade-sdk/lemonade/blob/main/docs/gfx1151_linux.html",
            issue("kyuz0/amd-strix-halo-toolboxes", 16),
        ),
        mended_by="a newer kernel, or strix_rocm: none",
        confidence="vendor",
        reads=("kfd", "kernel", "rocm"),
        verdicts=frozenset(Verdict),
        look=kfd_cwsr,
    ),
    "kernel-arguments": Check(
        id="kernel-arguments",
        group="kernel",
        question="Are the kernel arguments live, and will they be after the next boot and update?",
        looks_at="the arguments that the inventory's variables come to, against /proc/cmdline and against what the "
        "boot loader has for the next boot: GRUB's drop-in and grub.cfg, grubby's entries, "
        "/etc/kernel/cmdline.",
        why="On Fedora the entries of new kernels take their arguments from /etc/kernel/cmdline if it is there: "
        "edits of /etc/default/grub change no entry, and an update can lose what grubby set. Elsewhere an "
        "edited file without update-grub, or without a reboot, changes nothing.",
        links=(
            "https://src.fedoraproject.org/rpms/grubby",
            f"{GITHUB}kyuz0/amd-strix-halo-toolboxes",
        ),
        mended_by="role kernel, and a reboot",
        confidence="vendor",
        reads=("cmdline",),
        verdicts=frozenset(Verdict),
        look=kernel_arguments,
    ),
    "npu": Check(
        id="npu",
        group="kernel",
        question="Is the NPU there, or left out on purpose?",
        looks_at="/dev/accel and /sys/kernel/iommu_groups, against strix_iommu. WARN only if the inventory wants the "
        "IOMMU and it is off.",
        why="amd_iommu=off makes prompts 5 to 12 % faster and takes the NPU away (amdxdna: `IOMMU is off`), with VFIO "
        "and the DMA protection of USB4. That is a choice, and nobody should find out by accident.",
        links=(
            f"{GITHUB}sypherin/strix-halo-setup",
            issue("antirez/ds4", 871),
            issue("kyuz0/amd-strix-halo-toolboxes", 66),
        ),
        mended_by="role memory (strix_iommu), and a reboot",
        confidence="several reports",
        reads=("accelerators", "iommu_groups"),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=npu,
    ),
    "wedged-gpu": Check(
        id="wedged-gpu",
        group="kernel",
        question="Is the GPU free of what a crash left behind?",
        looks_at="processes of models in state D at two looks, mem_info_gtt_used of 2 GiB or more while nothing has "
        "the GPU open, and whether the driver answers who reads its files. A process of a running service "
        "only warns: it may be waiting for the disk. (gtt_used is advisory: one report says that it misses "
        "memory of HIP.)",
        why="A server that was killed in the middle of a job can stay in the kernel for ever and hold its memory. The "
        "next one spins or does not fit, and only a reboot helps.",
        links=(issue("peonist-ai/halogen-flash-server", 79), issue("peonist-ai/halogen-flash-server", 34)),
        mended_by="a reboot",
        confidence="several reports",
        reads=("gpu", "gpu_users"),
        verdicts=frozenset(Verdict),
        look=wedged_gpu,
    ),
}
