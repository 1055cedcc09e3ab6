"""How much of the machine's memory the GPU may use, and what is left beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.services import no_units, units
from strixkit.doctor.texts import AMD_PAGE, GITHUB, PAGE, ROCM_ISSUES, gib, issue, no_gpu
from strixkit.host.gtt import BIOS, LARGE_CARVE_OUT, MOST_OF_MEMORY
from strixkit.planner.facts import Facts, dimm_gib

PAGES_LIMIT = "ttm.pages_limit"
NEAR = 0.01  # of the wanted size: what rounding and the driver's own pages may take
CAPPED = 0.98  # kernels that cap GTT do so at MemTotal
# Words of the kernel command line that guides for other kernels or drivers recommend.
WRONG_KNOBS = (
    (r"amdgpu\.gttsize=", "is deprecated, and alone it raises no limit of TTM's"),
    (r"amdgpu\.gtt_size=", "is a misspelling that the kernel ignores"),
    (r"amdttm\.\S*=", "is for a module that only amdgpu-dkms has"),
    (r"amd_iommu=pt\b", "is no value that the kernel knows"),
)
OTHER_LOADS = re.compile(r"llama|ollama|comfy|vllm|lemonade|koboldcpp|lm-?studio|sd-server|python", re.IGNORECASE)


def _pages(facts: Facts) -> int | None:
    text = facts.module_parameters.get(PAGES_LIMIT, "")
    return int(text) * PAGE if text.isdecimal() else None


def _wanted(examined: Examined) -> int | None:
    """The limit in bytes that the inventory's variables come to; None: the kernel's default."""
    found = next((item.value for item in examined.wishes.arguments if item.name == PAGES_LIMIT), None)
    return int(found) * PAGE if found else None


def gtt_limit(examined: Examined) -> Iterator[Point]:
    """The live limit against the wanted one, and the knobs that do not work."""
    facts = examined.facts
    for pattern, why in WRONG_KNOBS:
        for word in re.findall(rf"(?:^|\s)({pattern}\S*)", facts.cmdline):
            yield doubt(
                f"the kernel was booted with {word}, which {why}", "let the role memory take it out, then reboot"
            )
    if facts.gpu is None or not facts.gpu.gtt_total_bytes:
        yield skip("the GPU's mem_info_gtt_total cannot be read" if facts.gpu else no_gpu(facts))
        return
    gtt, memory, limit = facts.gpu.gtt_total_bytes, facts.memory.total_bytes, _pages(facts)
    if limit is None:
        yield skip("/sys/module/ttm/parameters/pages_limit cannot be read")
    else:
        yield from _disagreement(gtt, memory, limit)
    yield from _against_wish(examined, min(gtt, limit or gtt), memory)


def _disagreement(gtt: int, memory: int, limit: int) -> Iterator[Point]:
    """Whether the driver's GTT and TTM's limit are the same."""
    if limit < gtt * (1 - NEAR):
        seen = f"GTT is {gib(gtt)}, but TTM gives out no more than {gib(limit)} ({PAGES_LIMIT})"
        yield bad(seen, f"set {PAGES_LIMIT} alone, and no amdgpu.gttsize")
    elif limit > gtt * (1 + NEAR):
        if gtt >= memory * CAPPED:
            yield good(f"the kernel has capped GTT to the memory, {gib(gtt)}")
        else:
            seen = f"{PAGES_LIMIT} is {gib(limit)} now, but the driver started with a GTT of {gib(gtt)}"
            yield doubt(seen, "reboot: the driver takes the limit at its start only")


def _against_wish(examined: Examined, limit: int, memory: int) -> Iterator[Point]:
    wanted = _wanted(examined)
    if examined.wishes.error:
        yield bad(examined.wishes.error, "mend the inventory")
        return
    half = abs(limit - memory / 2) <= memory * NEAR
    default = " (half of the memory, the kernel's default)" if half else ""
    command = f"invoke deploy --host {examined.host.name} --reboot"
    if wanted is None:
        seen = f"GTT is {gib(limit)}{default}, and the inventory wants no other"
        variable = "a GPU that is to hold a model needs more: strix_gtt_gib in the inventory"
        yield doubt(seen, f"{variable}, then {command}") if half else good(seen)
    elif abs(limit - wanted) <= wanted * NEAR or (wanted > limit >= memory * CAPPED):
        yield good(f"GTT is {gib(limit)}, as wanted")
    elif limit < wanted:
        yield bad(f"GTT is {gib(limit)}{default}, strix_gtt_gib wants {gib(wanted)}", command)
    else:
        yield doubt(f"GTT is {gib(limit)}, strix_gtt_gib wants {gib(wanted)} only", command)


def bios_carveout(examined: Examined) -> Iterator[Point]:
    """The memory that the BIOS hides from Linux."""
    gpu = examined.facts.gpu
    if gpu is None:
        yield skip(no_gpu(examined.facts))
        return
    if not gpu.vram_total_bytes:
        yield skip("the GPU's mem_info_vram_total cannot be read")
        return
    size = gib(gpu.vram_total_bytes)
    if gpu.vram_total_bytes <= LARGE_CARVE_OUT:
        yield good(f"the carve-out is {size}")
        return
    total = dimm_gib(examined.facts)
    of = f" of {total} GiB" if total else ""
    options = f"; this kernel offers: {', '.join(gpu.carveout_options)}" if gpu.carveout_options else ""
    yield bad(
        f"the BIOS has taken {size}{of} for the GPU, Linux sees {gib(examined.facts.memory.total_bytes)}{options}",
        f"{BIOS}, never Auto (also called VGM, or dedicated GPU memory)",
    )


def memory_headroom(examined: Examined) -> Iterator[Point]:
    """What the limit leaves to the rest of the machine, and who else computes on the GPU."""
    facts = examined.facts
    if facts.gpu is None or not facts.gpu.gtt_total_bytes:
        yield skip("the GPU's mem_info_gtt_total cannot be read" if facts.gpu else no_gpu(facts))
        return
    share = facts.gpu.gtt_total_bytes / facts.memory.total_bytes if facts.memory.total_bytes else 1.0
    seen = f"GTT is {share:.0%} of the memory that Linux has"
    if share > MOST_OF_MEMORY:
        yield doubt(f"{seen}: a model that fills it freezes the machine", "a lower strix_gtt_gib: at most nine tenths")
    else:
        yield good(seen)
    if examined.evidence.units is None:
        yield skip(f"who else has the GPU open: {no_units(examined)}")
        return
    ours = {unit.pid for unit in units(examined)}
    others = {(user.pid, user.command) for user in facts.gpu_users if user.pid not in ours}
    loads = sorted(f"{command} ({pid})" for pid, command in others if OTHER_LOADS.search(command))
    if loads:
        yield doubt(f"others have the GPU open: {', '.join(loads)}", "stop them, or plan the services with less")
    elif not examined.evidence.root:
        yield skip("only root sees who has the GPU open")


CHECKS = {
    "gtt-limit": Check(
        id="gtt-limit",
        group="memory",
        question="May the GPU use as much memory as wanted?",
        looks_at="mem_info_gtt_total of the card and the live ttm.pages_limit (x 4096 bytes) against strix_gtt_gib, or"
        " against MemTotal where the kernel caps GTT to it; and /proc/cmdline for knobs of other guides: "
        "amdgpu.gttsize, amdgpu.gtt_size, amdttm.*, amd_iommu=pt.",
        why="The kernel's default is half of the memory: of 128 GB, ROCm and Vulkan see 62 GiB, and a model that needs "
        "more does not load. ttm.pages_limit is the only knob that works on current kernels; amdgpu.gttsize without it "
        "shows a large GTT of which TTM refuses the rest. /proc/cmdline alone proves nothing: the live value counts.",
        links=(
            f"{ROCM_ISSUES}5595",
            f"{ROCM_ISSUES}5444",
            issue("antirez/ds4", 475),
            issue("rjmalagon/ollama-linux-amd-apu", 4),
            AMD_PAGE,
        ),
        mended_by="role memory (strix_gtt_gib), and a reboot",
        confidence="vendor",
        reads=("gpu", "memory.total_bytes", "module_parameters", "cmdline"),
        verdicts=frozenset(Verdict),
        look=gtt_limit,
    ),
    "bios-carveout": Check(
        id="bios-carveout",
        group="memory",
        question="Does the BIOS leave the memory to Linux?",
        looks_at="mem_info_vram_total of the card: FAIL above 8 GiB. Some BIOSes report 4 GiB at their least setting"
        " (one report, of an ASUS Z13), so that passes. Where kernel and BIOS have "
        "uma/carveout_options, they are shown.",
        why="What the BIOS takes (UMA Frame Buffer, VGM, `dedicated GPU memory`) is gone before Linux boots, and a GTT "
        "of half of the rest is small: with 96 GiB taken, ROCm was seen with 15.5 GiB. If the carve-out is larger than "
        "GTT, ROCm uses nothing but the carve-out. It is no faster than GTT. `Auto` may take half of the memory.",
        links=(f"{ROCM_ISSUES}5444", issue("peonist-ai/halogen-flash-server", 95), issue("antirez/ds4", 475), AMD_PAGE),
        mended_by="the BIOS: no role can",
        confidence="vendor",
        reads=("gpu", "memory.total_bytes"),
        verdicts=frozenset({Verdict.PASS, Verdict.FAIL, Verdict.SKIP}),
        look=bios_carveout,
    ),
    "memory-headroom": Check(
        id="memory-headroom",
        group="memory",
        question="Is there memory left for the rest of the machine?",
        looks_at="mem_info_gtt_total against nine tenths of MemTotal (where AMD's amd-ttm begins to ask), and "
        "processes beside the services that have /dev/kfd or /dev/dri open and look like a model's: llama, "
        "ollama, comfy, python. Whether a release fits into what is free is the planner's to say (invoke "
        "plan).",
        why="What the GPU maps is pinned. A limit near all of the memory, or two models at once, ends in a "
        "machine that freezes without a line in any log, or in the OOM killer taking the whole desktop. Below"
        " the limit it is a clean error of the one program that asked for too much.",
        links=(
            f"{GITHUB}sypherin/strix-halo-setup",
            issue("pwilkin/strix-halo", 6),
            issue("peonist-ai/halogen-flash-server", 79),
            f"{GITHUB}superm1/amd-debug-tools",
        ),
        mended_by="role memory (strix_gtt_gib)",
        confidence="several reports",
        reads=("gpu", "memory.total_bytes", "gpu_users"),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=memory_headroom,
    ),
}
