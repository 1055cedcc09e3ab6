"""AMD's HIP runtime and compiler, where it is wanted, and the kernel's own driver in any case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roles.rocm.sources import NONE, Sources, chosen, libraries_of, load_sources, repository_of
from strixkit.config.distributions import Distribution
from strixkit.errors import InputError
from strixkit.host.context import HostContext
from strixkit.host.provision import CONTAINER, packages, unset
from strixkit.resources.absent_module import AbsentModule
from strixkit.resources.absent_packages import AbsentPackages
from strixkit.resources.base import Resource
from strixkit.resources.file import File

PROFILE_D = "/etc/profile.d/strixkit-rocm.sh"
FOR_PEOPLE = (Path(__file__).parent / "files" / "strixkit-rocm.sh").read_text()
STRIX_HALO = "1002:1586"
OVERRIDE, GFX = "HSA_OVERRIDE_GFX_VERSION", "11.5.1"
# "Supported Ryzen APUs require the inbox kernel driver" (AMD's guide for ROCm 10.0).
DKMS = ("amdgpu-dkms", "amdgpu-dkms-firmware", "amdgpu-dkms-headers")
DKMS_MODULE = "amdttm"  # what amdgpu-dkms loads in the place of ttm
WHY_NOT_DKMS = "the kernel's own amdgpu is the driver that works on this GPU; amdgpu-dkms takes its place and breaks it"


def resources(host: HostContext) -> Iterator[Resource]:
    """First what is in the way, then key, source and pin, then the packages, then what people and builds need."""
    distribution = host.distribution
    assert distribution is not None
    sources = load_sources()
    wish = host.host.provisioning.rocm
    try:
        choice = chosen(sources, distribution, wish)
    except InputError as error:
        raise InputError(error.message, host=host.host.name, hint=error.hint) from error
    yield from _driver(host, distribution)
    yield from _overrides(host)
    if choice is None:
        host.notes.append(f"rocm: none by default on {distribution.name}: Vulkan only (strix_rocm chooses another)")
        return
    if wish is not None:
        yield from _others(sources, distribution, choice)
    elif foreign := _foreign(host, sources, distribution, choice):
        # What a default chooses removes nothing of what somebody has set up.
        host.notes.append(
            f"rocm: {foreign} is there and is left as it is, since nobody has asked for another; "
            f'strix_rocm: "{choice}" in inventory.yaml puts {choice} in its place'
        )
        return
    if choice == NONE:
        yield File(path=PROFILE_D, content=None, reason="strix_rocm: none")
    else:
        yield from _wanted(host, sources, distribution, choice)
    yield from _libraries(sources, distribution, choice, explicit=wish is not None)


def _driver(host: HostContext, distribution: Distribution) -> Iterator[Resource]:
    """Never amdgpu-dkms. A module that a person has built without the package is his to remove."""
    if host.facts.virtualization == CONTAINER or distribution.packages != "apt":
        return
    yield AbsentPackages(label="amdgpu-dkms", names=DKMS, reason=WHY_NOT_DKMS)
    if DKMS_MODULE not in host.facts.modules:
        return
    if "/updates/" in host.facts.amdgpu_module and "amdgpu-dkms" not in host.facts.packages:
        host.notes.append(
            f"{host.facts.amdgpu_module} is loaded and of no package: {WHY_NOT_DKMS}; on the box: dkms status, "
            "then dkms remove what it shows, and reboot"
        )
    else:
        yield AbsentModule(name=DKMS_MODULE, reason=WHY_NOT_DKMS)


def _foreign(host: HostContext, sources: Sources, distribution: Distribution, choice: str) -> str:
    """Another ROCm than the chosen one, which is not there yet; empty: none, or both."""
    entry, facts = sources.choices[choice], host.facts
    if entry.repository is None:
        there = any(name in facts.packages for name in entry.sets[distribution.key].packages)
    else:
        there = any(found.startswith(choice) for found in facts.rocm.values())
    return "" if there else ", ".join(f"{folder} ({found})" for folder, found in facts.rocm.items())


def _others(sources: Sources, distribution: Distribution, choice: str) -> Iterator[Resource]:
    """What other choices have put there goes: two ROCms get mixed up, by their libraries' paths."""
    reason = f"strix_rocm: {choice}"
    kept = sources.choices[choice].sets[distribution.key].packages if choice != NONE else ()
    for name, other in sources.choices.items():
        if name == choice or distribution.key not in other.sets or distribution.packages != "apt":
            continue
        names = tuple(package for package in other.sets[distribution.key].packages if package not in kept)
        yield AbsentPackages(label=f"rocm-{name}", names=names, reason=reason)
        repository = repository_of(other, other.sets[distribution.key], reason, present=False)
        if repository is not None:
            yield repository
    if choice == NONE and distribution.packages == "apt":
        yield _amdgpu_install(reason)


def _wanted(host: HostContext, sources: Sources, distribution: Distribution, choice: str) -> Iterator[Resource]:
    entry = sources.choices[choice]
    wanted = entry.sets[distribution.key]
    reason = f"ROCm {choice} for {distribution.name}: builds for gfx1151, and devices ROCm0"
    if wanted.note:
        host.notes.append(f"rocm {choice}: {wanted.note}")
    # AMD's packages lie in /opt; the version of a folder begins with the choice that it is of.
    strange = [f"{folder} ({found})" for folder, found in host.facts.rocm.items() if not found.startswith(choice)]
    if strange:
        host.notes.append(
            f"rocm {choice}: there is {', '.join(strange)} as well, and what finds both fails with undefined "
            "symbols; strix_rocm in inventory.yaml, said explicitly, takes other choices' packages away"
        )
    repository = repository_of(entry, wanted, reason)
    if repository is not None:
        yield _amdgpu_install("it owns sources and a key of the same repository, which go with it")
        if wanted.conflicts:
            why = f"of the distribution's archive, or of another release of AMD's; {choice} does not go with it"
            yield AbsentPackages(label=f"not-with-rocm-{choice}", names=wanted.conflicts, reason=why)
        yield repository
    yield from packages(host, f"rocm-{choice}", wanted.packages, reason)
    if distribution.packages == "apt" or host.facts.rocm:
        yield File(path=PROFILE_D, content=FOR_PEOPLE, reason="for people's builds and runs on ROCm0")


def _libraries(sources: Sources, distribution: Distribution, choice: str, *, explicit: bool) -> Iterator[Resource]:
    """After all packages, and without them too: what a runtime needs that is not beside it, the loader has to find."""
    found = libraries_of(sources, distribution, choice, f"strix_rocm: {choice}")
    if found is not None and found.present:
        why = "AMD's libraries lie in a folder of their own, which programs that are built here do not name"
        yield found.model_copy(update={"reason": why})
    elif found is not None and explicit:
        yield found


def _amdgpu_install(reason: str) -> Resource:
    return AbsentPackages(label="amdgpu-install", names=("amdgpu-install",), reason=reason)


def _overrides(host: HostContext) -> Iterator[Resource]:
    """A wrong version makes ROCm run kernels of another GPU. Only of this GPU it is known which is right."""
    if host.facts.gpu is None or host.facts.gpu.pci_id != STRIX_HALO:
        return
    why = f"this GPU is {GFX}, and another value makes ROCm run kernels of another GPU"
    for setting in host.facts.settings:
        if setting.name == OVERRIDE and setting.value != GFX:
            yield from unset(host, setting, why)
    mine = host.host.environment.get(OVERRIDE, GFX)
    if mine != GFX:
        host.notes.append(f"strix_environment sets {OVERRIDE}={mine}: {why}")
