"""What the roles rocm, vulkan and tuning wish for on each distribution and choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roles.rocm.sources import load_sources
from strixkit.config.distributions import load_distributions
from strixkit.config.host import Host, Provisioning, Service
from strixkit.engine.converge import Desired
from strixkit.errors import InputError
from strixkit.host.describe import Description
from strixkit.resources.absent_module import AbsentModule
from strixkit.resources.absent_packages import AbsentPackages
from strixkit.resources.apt_repository import AptRepository
from strixkit.resources.base import Resource
from strixkit.resources.daemon import Daemon
from strixkit.resources.file import File
from strixkit.resources.library_path import LibraryPath
from strixkit.resources.packages import Packages
from strixkit.resources.power_profile import PowerProfile
from strixkit.resources.unset_variable import UnsetVariable

FACTS = json.loads((Path(__file__).parents[2] / "data/facts/framework-128gb.json").read_text())
KNOWN = load_distributions()
PROFILE_D = "/etc/profile.d/strixkit-rocm.sh"


def desired(distribution: str, facts: dict[str, Any] | None = None, **provisioning: Any) -> Desired:
    answer = json.loads(json.dumps(FACTS))
    entry = KNOWN[distribution]
    answer["facts"]["os"] = {"id": entry.id, "version_id": entry.version, "codename": entry.codename}
    answer["facts"] |= {"package_manager": entry.packages, **(facts or {})}
    host = Host(
        name="strix",
        address="strix",
        runtime="rocmfp4",
        provisioning=Provisioning(**provisioning),
        services={"main": Service(profile="coding", model="qwen3.6-27b-mtp")},
    )
    return Description(host, preview=True).desired(answer)


def of(found: Desired, kind: type[Resource]) -> dict[str, Any]:
    return {resource.id.partition(":")[2]: resource for resource in found.resources if isinstance(resource, kind)}


def test_ubuntu_2404_has_amds_72_with_what_is_in_the_way_gone_before() -> None:
    found = desired("ubuntu-24.04")
    repository = of(found, AptRepository)["strixkit-rocm"]
    assert repository.uri == "https://repo.radeon.com/rocm/apt/7.2.4"
    assert repository.suites == ("noble",)
    assert repository.fingerprint == "CA8BB4727A47B4D09B4EE8969386B48A1A693C5C"
    assert (repository.origin, repository.priority) == ("repo.radeon.com", 600)
    ids = [resource.id for resource in found.resources]
    order = ["absent_packages:amdgpu-install", "absent_packages:not-with-rocm-7.2", repository.id, "packages:rocm-7.2"]
    assert sorted(order, key=ids.index) == order
    # A default removes nothing that a person has set up.
    assert "rocm-10.0" not in of(found, AbsentPackages)
    assert "HSA_OVERRIDE_GFX_VERSION=11.5.1" in of(found, File)[PROFILE_D].content


def test_ubuntu_2604_has_its_archives_rocm() -> None:
    found = desired("ubuntu-26.04")
    assert of(found, AptRepository) == {}
    assert "libamdhip64-dev" in of(found, Packages)["rocm-distribution"].names


LOADER = "/etc/ld.so.conf.d/strixkit-rocm.conf"


@pytest.mark.parametrize(
    ("distribution", "choice", "folders"),
    [
        ("ubuntu-24.04", None, ("/opt/rocm/lib",)),
        ("ubuntu-24.04", "7.2", ("/opt/rocm/lib",)),
        ("debian-13", "10.0", ("/opt/rocm/core-10.0/lib", "/opt/rocm/core-10.0/lib/rocm_sysdeps/lib")),
    ],
)
def test_the_loader_is_told_of_amds_libraries_after_the_packages(
    distribution: str, choice: str | None, folders: tuple[str, ...]
) -> None:
    found = desired(distribution, rocm=choice)
    wish = of(found, LibraryPath)[LOADER]
    assert (wish.folders, wish.present) == (folders, True)
    ids = [resource.id for resource in found.resources]
    assert ids.index(wish.id) > max(at for at, name in enumerate(ids) if name.startswith("packages:rocm-"))


@pytest.mark.parametrize("choice", ["none", "distribution"])
def test_the_loader_forgets_what_another_choice_had(choice: str) -> None:
    found = desired("ubuntu-26.04", rocm=choice)
    wish = of(found, LibraryPath)[LOADER]
    assert not wish.present
    assert wish.reason == f"strix_rocm: {choice}"
    assert "/opt/rocm/core-10.0/lib" in wish.folders


@pytest.mark.parametrize("distribution", ["ubuntu-26.04", "debian-13", "fedora-43"])
def test_the_distributions_own_libraries_need_no_word(distribution: str) -> None:
    assert of(desired(distribution), LibraryPath) == {}


@pytest.mark.parametrize("distribution", ["debian-13", "debian-forky"])
def test_debian_stays_on_vulkan(distribution: str) -> None:
    found = desired(distribution)
    assert of(found, AptRepository) == {}
    assert not any(label.startswith("rocm") for label in of(found, Packages))
    assert PROFILE_D not in of(found, File)
    assert any(note.startswith(f"rocm: none by default on {KNOWN[distribution].name}") for note in found.notes)
    assert "mesa-vulkan-drivers" in of(found, Packages)["vulkan"].names


def test_none_takes_all_of_it_away() -> None:
    found = desired("ubuntu-24.04", rocm="none")
    assert {name: item.present for name, item in of(found, AptRepository).items()} == {
        "strixkit-rocm": False,
        "strixkit-amdrocm": False,
    }
    absent = of(found, AbsentPackages)
    assert "rocblas-dev" in absent["rocm-7.2"].names
    assert absent["rocm-10.0"].names == ("amdrocm-core-dev10.0-gfx1151",)
    assert "amdgpu-install" in absent
    assert of(found, File)[PROFILE_D].content is None
    assert not any(label.startswith("rocm") for label in of(found, Packages))


def test_another_choice_takes_the_place_of_the_first() -> None:
    found = desired("ubuntu-24.04", rocm="10.0")
    repositories = of(found, AptRepository)
    assert repositories["strixkit-amdrocm"].uri == "https://stable.repo.amd.com/rocm/core/packages/ubuntu2404/"
    assert repositories["strixkit-amdrocm"].fingerprint == "D0F004A0025A1145C7807FCD0701EAC4D5E02107"
    assert not repositories["strixkit-rocm"].present
    assert "rocm-7.2" in of(found, AbsentPackages)


@pytest.mark.parametrize(
    ("distribution", "choice", "have"),
    [
        ("ubuntu-26.04", "7.2", "distribution, 10.0, none"),
        ("ubuntu-24.04", "distribution", "7.2, 10.0, none"),
        ("debian-13", "distribution", "10.0, none"),
        ("debian-13", "7.2", "10.0, none"),
        ("debian-forky", "10.0", "none"),
        ("fedora-43", "10.0", "distribution, none"),
    ],
)
def test_a_choice_that_there_is_not_names_those_that_there_are(distribution: str, choice: str, have: str) -> None:
    with pytest.raises(InputError) as caught:
        desired(distribution, rocm=choice)
    assert caught.value.host == "strix"
    assert caught.value.message == (
        f"strix_rocm: found {choice}, which there is not for {KNOWN[distribution].name}; it can have {have}"
    )


def test_another_rocm_is_told_of_and_left_alone_by_a_default() -> None:
    folders = {"/opt/rocm-7.2.4": "7.2.4-93", "/opt/rocm/core-10.0": "10.0.0"}
    [note] = [note for note in desired("ubuntu-24.04", {"rocm": folders}).notes if "undefined symbols" in note]
    assert note.startswith("rocm 7.2: there is /opt/rocm/core-10.0 (10.0.0) as well, ")
    assert not any(
        "undefined" in note for note in desired("ubuntu-24.04", {"rocm": {"/opt/rocm-7.2.4": "7.2.4"}}).notes
    )


@pytest.mark.parametrize(
    ("distribution", "folder", "version"),
    [
        ("ubuntu-24.04", "/opt/rocm-6.4.3", "6.4.3-128"),
        ("ubuntu-24.04", "/opt/rocm/core-10.0", "10.0.0"),
        ("ubuntu-26.04", "/opt/rocm-7.2.4", "7.2.4-93"),
    ],
)
def test_a_default_leaves_a_rocm_of_somebody_as_it_is(distribution: str, folder: str, version: str) -> None:
    found = desired(distribution, {"rocm": {folder: version}})
    assert of(found, AptRepository) == {}
    assert "amdgpu-install" not in of(found, AbsentPackages)
    assert not any(name.startswith("rocm") for name in of(found, Packages))
    [note] = [note for note in found.notes if note.startswith("rocm: ")]
    assert f"{folder} ({version}) is there and is left as it is" in note


def test_an_older_release_of_amds_goes_where_72_is_wished_explicitly() -> None:
    """Its packages have the same names, and would pass for installed."""
    found = desired("ubuntu-24.04", {"rocm": {"/opt/rocm-6.4.3": "6.4.3-128"}}, rocm="7.2")
    gone = of(found, AbsentPackages)["not-with-rocm-7.2"]
    assert {"rocm-core=6.*", "rocm-core=7.1.*"} <= set(gone.names)
    assert gone.undo() == "apt-get install rocminfo hipcc rocm-cmake rocm-core"


def test_fedora_says_what_it_does_not_install() -> None:
    found = desired("fedora-43")
    assert of(found, Packages) == of(found, AbsentPackages) == {}
    assert any("dnf install rocm-hip-devel" in note for note in found.notes)


def test_all_names_of_the_data_are_known_distributions() -> None:
    sources = load_sources()
    assert set(sources.default) <= set(KNOWN)
    for choice in sources.choices.values():
        assert set(choice.sets) <= set(KNOWN)
    for distribution, choice_name in sources.default.items():
        assert distribution in sources.choices[choice_name].sets


def test_dkms_goes_and_a_reboot_is_wanted_while_its_module_is_loaded() -> None:
    assert "amdgpu-dkms" in of(desired("debian-13"), AbsentPackages)
    assert of(desired("debian-13"), AbsentModule) == {}
    dkms = {"modules": ["ttm", "amdttm", "amdgpu"], "amdgpu_module": "/lib/modules/x/updates/dkms/amdgpu.ko.zst"}
    installed = desired("ubuntu-24.04", {**dkms, "packages": {"amdgpu-dkms": "6.14"}})
    assert list(of(installed, AbsentModule)) == ["amdttm"]
    by_hand = desired("ubuntu-24.04", dkms)
    assert of(by_hand, AbsentModule) == {}
    assert any("dkms remove" in note for note in by_hand.notes)
    assert not any("dkms" in item for item in of(desired("debian-13", {"virtualization": "container"}), AbsentPackages))


OVERRIDE = {"name": "HSA_OVERRIDE_GFX_VERSION", "value": "11.0.0"}


@pytest.mark.parametrize(
    ("path", "edited"),
    [
        ("/etc/environment", True),
        ("/etc/profile.d/rocm.sh", True),
        ("/etc/environment.d/90-rocm.conf", True),
        ("/etc/systemd/system.conf.d/rocm.conf", False),
        ("/etc/profile.d/../shadow.sh", False),
    ],
)
def test_a_wrong_override_is_taken_out_or_told(path: str, edited: bool) -> None:
    found = desired("debian-13", {"settings": [{"path": path, **OVERRIDE}]})
    assert list(of(found, UnsetVariable)) == ([f"{path}:HSA_OVERRIDE_GFX_VERSION"] if edited else [])
    assert any(note.startswith(f"{path} sets HSA_OVERRIDE_GFX_VERSION=11.0.0: ") for note in found.notes)


def test_the_right_override_and_another_gpus_are_left_alone() -> None:
    right = {"path": "/etc/environment", "name": "HSA_OVERRIDE_GFX_VERSION", "value": "11.5.1"}
    assert of(desired("debian-13", {"settings": [right]}), UnsetVariable) == {}
    other = {
        "settings": [{"path": "/etc/environment", **OVERRIDE}],
        "gpu": {**FACTS["facts"]["gpu"], "pci_id": "1002:744c"},
    }
    assert of(desired("debian-13", other), UnsetVariable) == {}


RADV = "/usr/share/vulkan/icd.d/radeon_icd.json"


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("VK_ICD_FILENAMES", RADV, False),
        ("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json", True),
        ("VK_DRIVER_FILES", f"{RADV}:/etc/vulkan/icd.d/amd_icd64.json", True),
        # Nobody has looked there.
        ("VK_DRIVER_FILES", "/opt/mesa/icd.json", False),
        ("AMD_VULKAN_ICD", "AMDVLK", True),
        ("AMD_VULKAN_ICD", "RADV", False),
        ("MESA_SHADER_CACHE_DIR", "/gone", False),
    ],
)
def test_selections_of_drivers_that_leave_no_gpu(name: str, value: str, wrong: bool) -> None:
    setting = {"path": "/etc/environment", "name": name, "value": value}
    found = of(desired("debian-13", {"settings": [setting], "icd_files": [RADV]}), UnsetVariable)
    assert list(found) == ([f"/etc/environment:{name}"] if wrong else [])


def test_amdvlk_goes_by_package_and_by_file() -> None:
    found = desired("debian-13", {"icd_files": [RADV, "/etc/vulkan/icd.d/amd_icd64.json"]})
    assert "amdvlk" in of(found, AbsentPackages)
    assert [item.path for item in of(found, File).values() if item.content is None] == [
        "/etc/vulkan/icd.d/amd_icd64.json"
    ]


def test_tuned_runs_alone_and_its_profile_is_verified() -> None:
    found = desired("debian-13")
    assert of(found, Packages)["tuning"].names == ("tuned",)
    assert {name: item.running for name, item in of(found, Daemon).items()} == {
        "power-profiles-daemon.service": False,
        "tuned.service": True,
    }
    assert not of(found, AbsentPackages)["tlp"].purge
    assert of(found, PowerProfile)["tuned"].profile == "accelerator-performance"


def test_power_profiles_instead() -> None:
    found = desired("debian-13", tuning="power-profiles")
    assert of(found, Daemon)["power-profiles-daemon.service"].running
    assert not of(found, Daemon)["tuned.service"].running
    assert of(found, PowerProfile)["power-profiles"].profile == "performance"


@pytest.mark.parametrize("how", [{"tuning": "none"}, {"facts": {"virtualization": "container"}}])
def test_no_tuning_where_it_is_not_wished_or_means_nothing(how: dict[str, Any]) -> None:
    found = desired("debian-13", **how)
    assert of(found, Daemon) == of(found, PowerProfile) == {}
    assert any(note.startswith("tuning: skipped") for note in found.notes) == ("facts" in how)
