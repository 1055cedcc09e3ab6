"""What makes it slower than it need be."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, doubt, good, skip
from strixkit.doctor.services import no_units, on_rocm, units
from strixkit.doctor.texts import GITHUB, issue, no_gpu
from strixkit.doctor.versions import known, point
from strixkit.host.provision import CONTAINER

PROFILE = "accelerator-performance"
MESA = "mesa-vulkan-drivers"
IDLE_PERCENT = 10
QUEUES = "GPU_MAX_HW_QUEUES"


def speed(examined: Examined) -> Iterator[Point]:
    """The power profile, the IOMMU, Mesa."""
    facts = examined.facts
    command = f"invoke deploy --host {examined.host.name}"
    if facts.virtualization == CONTAINER:
        yield skip("a container has no power settings of its own")
        return
    if not examined.host.provisioning.enabled:
        yield skip("power profile and IOMMU: strix_provision: false leaves them alone")
    else:
        yield from _profile(examined, command)
        yield from _iommu(examined, command)
    mesa = known(facts, (MESA,))
    if not mesa:
        yield skip(f"Mesa's version is not known: {MESA} is not installed")
    yield from map(point, mesa)


def _iommu(examined: Examined, command: str) -> Iterator[Point]:
    facts = examined.facts
    if examined.host.provisioning.iommu == "off":
        if facts.iommu_groups is None:
            yield skip("/sys/kernel/iommu_groups cannot be read")
        elif facts.iommu_groups:
            yield doubt("the IOMMU is on: prompts are 5 to 12 % slower", f"strix_iommu: off: {command} --reboot")
        else:
            yield good("the IOMMU is off")


def _profile(examined: Examined, command: str) -> Iterator[Point]:
    wanted, found = examined.host.provisioning.tuning, examined.evidence.tuning
    if wanted == "none":
        yield good("strix_tuning: none leaves the power profile alone")
    elif found is None:
        yield skip(f"the power profile: {examined.evidence.why_unread('tuning')}")
    elif wanted == "power-profiles":
        if found.power_profile == "performance":
            yield good("power profile performance")
        else:
            yield doubt(f"the power profile is {found.power_profile or 'unknown'}, wanted performance", command)
    elif not found.tuned:
        yield doubt(f"tuned is not there, wanted its profile {PROFILE}", command)
    elif found.profile != PROFILE:
        yield doubt(f"tuned's active profile is {found.profile or 'none'}, wanted {PROFILE}", command)
    elif found.verified is None:
        yield skip("tuned-adm verify gives no answer")
    elif found.verified:
        yield good(f"tuned: {PROFILE}, verified")
    else:
        seen = f"tuned says {PROFILE}, and tuned-adm verify finds settings that are not so"
        yield doubt(seen, "systemctl restart tuned; see /var/log/tuned/tuned.log")


def idle_gpu(examined: Examined) -> Iterator[Point]:
    """Whether the GPU rests while a model is loaded."""
    if examined.facts.gpu is None:
        yield skip(no_gpu(examined.facts))
        return
    running = [unit for unit in units(examined) if unit.active == "active"]
    for unit in on_rocm(examined):
        queues = unit.environment.get(QUEUES)
        if queues not in (None, "1"):
            yield doubt(f"{unit.name} runs with {QUEUES}={queues}", f"{QUEUES}: 1 in strix_environment")
    samples = examined.evidence.busy_percent
    if not running:
        yield skip("no service runs, so there is nothing to be idle" if units(examined) else no_units(examined))
    elif samples is None:
        yield skip(f"gpu_busy_percent: {examined.evidence.why_unread('busy_percent')}")
    elif not samples:
        yield skip("gpu_busy_percent gives no number")
    elif min(samples) < IDLE_PERCENT:
        yield good(f"the GPU is {min(samples)} % busy with a model loaded")
    else:
        seen = f"the GPU was {min(samples)} % busy or more at {len(samples)} looks"
        yield doubt(
            f"{seen}: too much, if nobody was being answered", f"{QUEUES}=1 (the fork sets it by itself on HIP)"
        )


CHECKS = {
    "speed": Check(
        id="speed",
        group="tuning",
        question="Is nothing slower than it need be?",
        looks_at="tuned's active profile and tuned-adm verify (or power-profiles-daemon's), as strix_tuning wants; the "
        "number of IOMMU groups, as strix_iommu wants; Mesa's version, from 25.2.8. Not looked at: clocks and heat "
        "under load, which a look cannot know.",
        why="Reported: accelerator-performance 5 to 8 % at prompts and 2 to 3 % at answers (one project saw nothing); "
        "amd_iommu=off 5 to 12 % at prompts; Mesa 26.0.2 after 25.2.8 9 to 10 %. tuned accepts a profile and may fail "
        "to apply it, so it is verified too. Forced clocks are not recommended: some machines lock up.",
        links=(
            issue("kyuz0/amd-strix-halo-toolboxes", 66),
            f"{GITHUB}hogeheer499-commits/strix-halo-guide",
            issue("noamsto/nix-amd-ai", 19),
        ),
        mended_by="roles tuning, memory (strix_iommu) and vulkan",
        confidence="several reports",
        reads=("iommu_groups", "packages", "virtualization"),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=speed,
    ),
    "idle-gpu": Check(
        id="idle-gpu",
        group="tuning",
        question="Does the GPU rest while nobody is answered?",
        looks_at=f"gpu_busy_percent at a few looks within two seconds while a service runs, and {QUEUES} in the "
        "environment of services on ROCm. Whether a request was being answered meanwhile is not known: WARN only.",
        why="ROCm with several hardware queues keeps the GPU at 100 % and the fans up while a loaded model does "
        "nothing. The fork sets GPU_MAX_HW_QUEUES=1 for that on HIP, if nobody has set another value.",
        links=(f"{GITHUB}charlie12345/ROCmFPX",),
        mended_by="role runtime (environment), or strix_environment",
        confidence="source code",
        reads=("gpu",),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=idle_gpu,
    ),
}
