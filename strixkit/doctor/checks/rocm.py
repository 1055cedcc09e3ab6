"""ROCm: where it comes from, and how the services use it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roles.rocm.sources import load_sources
from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.evidence import Source, Unit
from strixkit.doctor.services import log_lines, no_units, on_rocm, rocm_concerns, rocm_installed, units, value_of
from strixkit.doctor.texts import AMD_PAGE, GITHUB, LLAMA_ISSUES, ROCM_ISSUES, VULKAN_ONLY, gib, issue
from strixkit.doctor.versions import known, point

OVERRIDE = "HSA_OVERRIDE_GFX_VERSION"
GFX = "11.5.1"
UNIFIED = ("GGML_CUDA_ENABLE_UNIFIED_MEMORY", "GGML_HIP_ENABLE_UNIFIED_MEMORY")  # any value turns it on, 0 too
LARGE = 16 << 30  # bytes of a model: hangs were reported from some 16 GiB on
CRITICAL = "Memory critical error by agent"
NO_ROCM_UNIT = "no service computes on ROCm"
DKMS = re.compile(r"/updates/dkms/")
RADEON = "repo.radeon.com"
# Commits of the fork whose HIP backend says integrated=false (read in its source).
KNOWN_RIGHT = ("baed43e",)


def _no_rocm_unit(examined: Examined) -> str:
    return NO_ROCM_UNIT if units(examined) else no_units(examined)


def rocm_mmap(examined: Examined) -> Iterator[Point]:
    """How services on ROCm load their model."""
    services = on_rocm(examined)
    if not services:
        yield skip(_no_rocm_unit(examined))
    for unit in services:
        how = _loads_by(unit)
        if how:
            yield good(f"{unit.name}: {how}")
            continue
        size = f", {gib(unit.model_bytes)}" if unit.model_bytes else ""
        seen = f"{unit.name} maps its model{size}"
        do = "load.mmap: false in the profile (--no-mmap)"
        yield bad(seen, do) if unit.model_bytes >= LARGE or not unit.model_bytes else doubt(seen, do)
    for line in examined.evidence.kernel_log or ():
        if services and "SVM mapping failed" in line:
            yield bad(f"the kernel says: {line}", "load.mmap: false in the profile (--no-mmap)")


def _loads_by(unit: Unit) -> str:
    """What keeps the unit from uploading mapped pages; empty: nothing."""
    for flag in ("--no-mmap", "-dio", "--direct-io"):
        if flag in unit.argv:
            return flag
    if value_of(unit, "--load-mode", "-lm") not in (None, "mmap"):
        return f"--load-mode {value_of(unit, '--load-mode', '-lm')}"
    return next((f"{name} is set" for name in UNIFIED if name in unit.environment), "")


def rocm_packages(examined: Examined) -> Iterator[Point]:
    """AMD's repositories, their suites and pins, and whose packages are installed."""
    facts, evidence = examined.facts, examined.evidence
    if len(facts.rocm) > 1:
        found = ", ".join(f"{folder} ({version})" for folder, version in sorted(facts.rocm.items()))
        yield doubt(f"several ROCm are installed: {found}", "keep one: libraries of two in one process do not fit")
    if examined.wishes.rocm_error:
        yield bad(examined.wishes.rocm_error, "mend the inventory")
        return
    if not rocm_concerns(examined):
        yield skip(VULKAN_ONLY)
        return
    yield from map(point, known(facts, [f"ROCm in {folder}" for folder in facts.rocm]))
    if evidence.policy is None or evidence.sources is None:
        section = "policy" if evidence.policy is None else "sources"
        if found := rocm_installed(facts):
            yield good(f"ROCm {found}")
        yield skip(f"where it comes from: {evidence.why_unread(section)}")
        return
    for source in evidence.sources:
        yield from _source(source, facts.os.codename)
    generations = {source.uris.split("/")[2] for source in evidence.sources}
    if RADEON in generations and not any(RADEON in pin.pin for pin in evidence.pins or ()):
        seen = f"nothing pins {RADEON}: the distribution's rocminfo and hipcc may win over AMD's"
        yield doubt(seen, f"invoke deploy --host {examined.host.name} writes the pin")
    for package in evidence.policy:
        amd = any(generation in origin for origin in package.origins for generation in generations)
        if RADEON in generations and not amd:
            where = ", ".join(package.origins) or "no repository"
            yield bad(
                f"{package.name} {package.installed} is from {where}, and not from {RADEON}",
                f"apt-get install --allow-downgrades {package.name}={package.candidate}, with the pin at 600",
            )
    if found := rocm_installed(facts):
        names = [f"{package.name} {package.installed}" for package in evidence.policy]
        yield good(", ".join(names) or f"ROCm {found}")
    else:
        yield skip("no package of ROCm is installed yet")


def _source(source: Source, codename: str) -> Iterator[Point]:
    if source.trusted.lower() == "yes":
        yield bad(f"{source.path} trusts {source.uris} unsigned", "signed-by= with AMD's key instead of trusted=yes")
    wanted = _fingerprint(source.uris)
    if wanted and source.keys is None:
        yield skip(f"the key of {source.path}: {source.signed_by or 'no signed-by='} cannot be read")
    elif wanted and source.keys != (wanted,):
        held = ", ".join(source.keys or ()) or "no key"
        seen = f"{source.signed_by} of {source.path} holds {held}, wanted {wanted} alone"
        yield bad(seen, "strix_rocm in the inventory, then invoke deploy: it fetches and checks the key")
    # The newer repositories have one suite, `stable`, and the release in their address.
    if RADEON in source.uris and codename and source.suites and codename not in source.suites.split():
        seen = f"{source.path} has suite {source.suites}, this is {codename}"
        yield doubt(seen, f"{RADEON} has none for {codename}: strix_rocm: distribution or 10.0")


def _fingerprint(uri: str) -> str:
    """Of the key that the role rocm pins for this repository; empty: it knows none."""
    repositories = (choice.repository for choice in load_sources().choices.values())
    known = (item for item in repositories if item is not None)
    return next((item.fingerprint for item in known if any(uri.startswith(begin) for begin in item.replaces)), "")


def amdgpu_dkms(examined: Examined) -> Iterator[Point]:
    """Whether the kernel's own driver is in use."""
    facts = examined.facts
    do = "apt-get remove --purge amdgpu-dkms, then reboot"
    if DKMS.search(facts.amdgpu_module):
        yield bad(f"the driver is {facts.amdgpu_module}", do)
    elif facts.amdgpu_module:
        yield good(f"the driver is the kernel's: {facts.amdgpu_module}")
    else:
        yield skip("modinfo does not know amdgpu, or is not there")
    if "amdgpu-dkms" in facts.packages:
        yield bad(f"amdgpu-dkms {facts.packages['amdgpu-dkms']} is installed", do)
    if "amdttm" in facts.modules:
        yield bad("the module amdttm of amdgpu-dkms is loaded", do)


def hsa_override(examined: Examined) -> Iterator[Point]:
    """Values of the override that are not gfx1151's, and what ROCm itself sees."""
    facts, evidence = examined.facts, examined.evidence
    services = units(examined)
    for unit in services:
        value = unit.environment.get(OVERRIDE)
        if value not in (None, GFX):
            seen = f"{unit.name} runs with {OVERRIDE}={value}: kernels of another GPU"
            yield bad(seen, f"{OVERRIDE} {GFX} or nothing: strix_environment, or a drop-in of the unit")
    for setting in facts.settings:
        if setting.name == OVERRIDE and setting.value != GFX:
            seen = f"{setting.path} sets {OVERRIDE}={setting.value}"
            do = f"take it out of {setting.path}, or set {GFX}"
            # What systemd sets for all units reaches services; a shell's profile reaches people and their builds.
            yield bad(seen, do) if "systemd" in setting.path else doubt(f"{seen} for everybody who logs in", do)
    if not rocm_concerns(examined):
        yield good("nothing sets another value") if evidence.units is not None else skip(no_units(examined))
        return
    if evidence.units is None:
        yield skip(f"the units' environment: {evidence.why_unread('units')}")
    if evidence.agents is None:
        yield skip(f"what ROCm sees: {evidence.why_unread('agents')}")
    elif "gfx1151" in evidence.agents:
        yield good(f"{OVERRIDE} is {GFX} or not set, and rocminfo sees gfx1151")
    elif evidence.agents:
        yield bad(f"rocminfo sees {', '.join(evidence.agents)}, and no gfx1151", f"look for {OVERRIDE} in root's shell")
    else:
        yield bad("rocminfo sees no GPU", "dmesg | grep -i kfd; is /dev/kfd there?")


def wrong_logits(examined: Examined) -> Iterator[Point]:
    """Whether the build on ROCm is known to compute right."""
    services = on_rocm(examined)
    if not services:
        yield skip(_no_rocm_unit(examined))
    for unit in services:
        found = next((item for item in examined.evidence.devices or () if item.unit == unit.name), None)
        version = next((line for line in (found.version if found else ()) if line.startswith("version")), "")
        if not version:
            yield skip(f"{unit.name}: its binary does not say its version")
        elif any(commit in version for commit in KNOWN_RIGHT):
            yield good(f"{unit.name}: {version}, whose HIP backend reads no memory of the host's")
        else:
            seen = f"{unit.name}: {version}: nobody has held its answers on ROCm against those on Vulkan"
            yield doubt(
                seen, "the same prompt with a fixed seed and temperature 0 on ROCm0 and on Vulkan0, after each build"
            )


def memory_in_use(examined: Examined) -> Iterator[Point]:
    """The error of ROCm 7.2 at its first upload."""
    services = on_rocm(examined)
    if not services:
        yield skip(_no_rocm_unit(examined))
        return
    versions = rocm_installed(examined.facts) or "of unknown version"
    hits = [(unit, line) for unit, line in log_lines(examined, CRITICAL) if unit in services]
    for unit, line in hits[:3]:
        yield doubt(
            f"{unit.name}, ROCm {versions}: {line}", "a newer ROCm: strix_rocm: 10.0; or Vulkan0 in the profile"
        )
    quiet = [unit for unit in services if unit.name not in (examined.evidence.unit_log or {})]
    if quiet:
        yield skip(f"{', '.join(unit.name for unit in quiet)}: its log of this run cannot be read")
    elif not hits:
        yield good(f"ROCm {versions}, no such line in the services' logs")


CHECKS = {
    "rocm-mmap": Check(
        id="rocm-mmap",
        group="rocm",
        question="Do services on ROCm load their model without mapping it?",
        looks_at="the arguments of each service whose device is ROCm (--no-mmap, --direct-io, --load-mode) and whether "
        "GGML_HIP_ENABLE_UNIFIED_MEMORY or GGML_CUDA_ENABLE_UNIFIED_MEMORY is in its environment; `SVM mapping failed` "
        "in the kernel's log. FAIL from 16 GiB on, WARN for smaller models.",
        why="Uploading pages of a mapped file hangs or crawls on this GPU: one core at 100 %, no disk I/O. In "
        "AMD's own test the baseline hangs; --no-mmap, direct I/O or unified memory pass. --no-mmap is 22 % "
        "faster at pp128 too.",
        links=(f"{ROCM_ISSUES}6582", f"{ROCM_ISSUES}6501", f"{LLAMA_ISSUES}15018", f"{LLAMA_ISSUES}19482"),
        mended_by="the profile (load.mmap: false)",
        confidence="vendor",
        reads=(),
        verdicts=frozenset(Verdict),
        look=rocm_mmap,
    ),
    "rocm-packages": Check(
        id="rocm-packages",
        group="rocm",
        question="Is there one ROCm, from one place?",
        looks_at="AMD's repositories in apt's sources (suite against VERSION_CODENAME, trusted=yes), the pins, whose "
        "rocminfo, hipcc and rocm-cmake are installed (apt-cache policy), and how many ROCm are below /opt "
        "and their versions. Keys by their fingerprints. Not looked at: whether a key has expired, which "
        "apt-get update tells.",
        why="Ubuntu 24.04's universe has rocminfo and hipcc 5.7, which win over AMD's without a pin: `Depends: "
        "rocminfo (= 1.0.0.70204) but 5.7.1 is to be installed`. repo.radeon.com has no suite for 26.04. "
        "Libraries of two generations in one process end in `undefined symbol`.",
        links=(
            f"{GITHUB}ROCm/legacy-rocm-build/discussions/6225",
            "https://rocm.docs.amd.com/projects/install-on-linux/en/latest/install/install-methods/package-manager-index.html",
        ),
        mended_by="role rocm (strix_rocm)",
        confidence="several reports",
        reads=("rocm", "packages", "os"),
        verdicts=frozenset(Verdict),
        look=rocm_packages,
    ),
    "amdgpu-dkms": Check(
        id="amdgpu-dkms",
        group="rocm",
        question="Is the driver the kernel's own?",
        looks_at="the file of the amdgpu module (modinfo), the package amdgpu-dkms, and the module amdttm.",
        why="AMD: Ryzen APUs need the driver of the distribution's kernel. amdgpu-dkms is another one, with modules of "
        "other names: access to the GPU breaks, and ttm.pages_limit does nothing.",
        links=(f"{GITHUB}lemonade-sdk/lemonade/blob/main/docs/gfx1151_linux.html", f"{ROCM_ISSUES}5595", AMD_PAGE),
        mended_by="role rocm",
        confidence="vendor",
        reads=("amdgpu_module", "modules", "packages"),
        verdicts=frozenset({Verdict.PASS, Verdict.FAIL, Verdict.SKIP}),
        look=amdgpu_dkms,
    ),
    "hsa-override": Check(
        id="hsa-override",
        group="rocm",
        question="Does everybody take the GPU for gfx1151?",
        looks_at=f"{OVERRIDE} in the environment of the services' processes and in files that set it for everybody "
        "(/etc/environment, /etc/profile.d, systemd's configuration), and the GPU that rocminfo sees.",
        why="Guides for other GPUs set 11.0.0: kernels of gfx1100 then run on gfx1151, and crash. 11.5.1 or nothing is "
        "right; where ROCm knows the GPU by itself 11.5.1 changes nothing.",
        links=(f"{GITHUB}hogeheer499-commits/strix-halo-guide", f"{GITHUB}charlie12345/ROCmFPX"),
        mended_by="role rocm, or strix_environment",
        confidence="several reports",
        reads=("settings", "rocm"),
        verdicts=frozenset(Verdict),
        look=hsa_override,
    ),
    "wrong-logits": Check(
        id="wrong-logits",
        group="rocm",
        question="Is the build on ROCm known to compute right?",
        looks_at="the version that the binary of each service on ROCm prints, against the commits whose source is "
        "known to have integrated=false. Nothing is computed: the comparison of answers is a person's to "
        "make.",
        why="Upstream llama.cpp set integrated=true on HIP on 2026-07-16, and read memory of the host's that was "
        "not coherent: perplexity 1334 in place of 6.81, garbage after long prompts. It was disabled for "
        "gfx1151 later. The fork at baed43e never had it; a rebase may bring it.",
        links=(
            f"{LLAMA_ISSUES}25992",
            f"{LLAMA_ISSUES}28211",
            f"{LLAMA_ISSUES}26543",
            issue("noamsto/nix-amd-ai", 128),
        ),
        mended_by="role runtime (another build), or Vulkan0 in the profile",
        confidence="several reports",
        reads=(),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=wrong_logits,
    ),
    "rocm-memory-in-use": Check(
        id="rocm-memory-in-use",
        group="rocm",
        question="Do services on ROCm start without `Memory in use`?",
        looks_at=f"`{CRITICAL}` in what the current run of each service on ROCm logged.",
        why="ROCm 7.2.4 in a container failed at the first upload with `Memory critical error by agent node-0 ... "
        "Reason: Memory in use`; 7.13 on the same board did not. It was reported once.",
        links=(f"{ROCM_ISSUES}6182",),
        mended_by="role rocm (strix_rocm: 10.0)",
        confidence="one report",
        reads=("rocm",),
        verdicts=frozenset({Verdict.PASS, Verdict.WARN, Verdict.SKIP}),
        look=memory_in_use,
    ),
}
