"""ROCm's repository on a real box, with the real apt: keys, signatures, the pin, what is in the way, and removal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strixkit.errors import InputError
from tests.box import rocm
from tests.box.aptrepo import Package
from tests.box.interruptions import power_cut
from tests.box.lab import Lab
from tests.box.rocm import Amd

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path, amd: Amd) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    assert lab.deploy().ok
    return lab


@pytest.fixture(autouse=True)
def _clean(lab: Lab, amd: Amd) -> None:
    """Each test begins on a box that never saw ROCm."""
    clean(lab, amd)


def clean(lab: Lab, amd: Amd) -> None:
    """Take all of it away, by hand."""
    amd.offer()
    lab.ssh(
        f"rm -f {' '.join(rocm.FILES)} {rocm.LOADER} /etc/profile.d/strixkit-rocm.sh; "
        "apt-get purge -y --auto-remove rocm-hip-runtime-dev rocblas-dev rocminfo hsa-rocr >/dev/null 2>&1; "
        "dpkg --purge amdgpu-install amdvlk >/dev/null 2>&1; ldconfig; true"
    )
    rocm.wish(lab, "7.2")


def fields(changes: list[Any]) -> dict[str, str]:
    return {change.field: change.found for change in changes}


def test_key_source_pin_and_packages(lab: Lab, amd: Amd) -> None:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert set(rocm.there(lab)) == set(rocm.FILES)
    assert rocm.versions(lab, "rocminfo", "rocm-hip-runtime-dev", "hsa-rocr") == {
        "rocminfo": rocm.ROCMINFO.version,
        "rocm-hip-runtime-dev": rocm.RUNTIME.version,
        "hsa-rocr": "1.18.0.70204-93~24.04",
    }
    assert lab.ssh(". /etc/profile.d/strixkit-rocm.sh; echo $HSA_OVERRIDE_GFX_VERSION").strip() == "11.5.1"
    again = lab.deploy()
    assert again.changes == []
    assert again.round_trips == 2
    # What apt itself checks against: the one key, readable for its own user.
    assert lab.ssh(f"stat -c %a {rocm.FILES[0]}").strip() == "644"
    lab.ssh("apt-get update --error-on=any")


CACHE = f"library_path:{rocm.LOADER}"


def found_in_the_cache(lab: Lab) -> dict[str, str]:
    """What the plan of a deploy that is done at once says of the loader."""
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    return fields([change for change in outcome.changes if change.resource == CACHE])


def test_a_program_that_is_built_finds_amds_libraries_by_the_loader(lab: Lab, amd: Amd) -> None:
    assert rocm.loaded_from(lab, amd) == "not found"
    assert found_in_the_cache(lab) == {"presence": "absent"}
    assert rocm.loaded_from(lab, amd) == rocm.LIBRARY
    lab.ssh("/root/program")
    assert lab.deploy().changes == []
    # A later update of a package, whose own trigger is none of ours.
    lab.ssh(
        f"cd /opt/rocm/lib && LC_ALL=C sed s/libhsa-runtime64.so.1/libhsa-runtime64.so.2/ {rocm.LIBRARY} > libnew.so.2"
    )
    assert found_in_the_cache(lab) == {"loader's cache": "without libhsa-runtime64.so.2"}
    assert lab.deploy().changes == []
    lab.ssh("rm /opt/rocm/lib/libnew.so.2 /opt/rocm/lib/libhsa-runtime64.so.2")
    assert lab.deploy().changes == []
    rocm.wish(lab, "none")
    assert found_in_the_cache(lab)["presence"] == "file"
    assert rocm.loaded_from(lab, amd) == "not found"
    assert "/opt/rocm" not in lab.ssh("ldconfig -p")
    assert lab.deploy().changes == []


def test_a_folder_that_is_not_there_is_no_difference(lab: Lab, amd: Amd) -> None:
    """And what comes into it later is found by the same deploy."""
    assert lab.deploy().ok
    lab.ssh("apt-get purge -y --auto-remove hsa-rocr && ldconfig && [ ! -e /opt/rocm/lib ]")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert CACHE not in {change.resource for change in outcome.changes}
    assert rocm.loaded_from(lab, amd) == rocm.LIBRARY
    assert lab.deploy().changes == []


def test_what_anothers_file_names_stays_known(lab: Lab, amd: Amd) -> None:
    """AMD's packages of some releases have a file, by the folder's name without links."""
    other = "/etc/ld.so.conf.d/10-rocm-opencl.conf"
    assert lab.deploy().ok
    lab.ssh(
        f"mv /opt/rocm /opt/rocm-7.2.4 && ln -s rocm-7.2.4 /opt/rocm && echo /opt/rocm-7.2.4/lib > {other}; ldconfig"
    )
    try:
        assert rocm.loaded_from(lab, amd) == rocm.LIBRARY.replace("/rocm/", "/rocm-7.2.4/")
        assert lab.deploy().changes == []
        lab.ssh(f"rm {rocm.LOADER} && ldconfig")
        assert found_in_the_cache(lab) == {"presence": "absent"}
        assert lab.deploy().changes == []
    finally:
        lab.ssh(f"rm -f {other} /opt/rocm && mv /opt/rocm-7.2.4 /opt/rocm; ldconfig")


@pytest.mark.parametrize("choice", ["7.2", "none"])
def test_power_that_goes_between_the_file_and_the_cache(lab: Lab, amd: Amd, choice: str) -> None:
    assert lab.deploy().ok
    if choice == "none":
        rocm.wish(lab, choice)
        assert lab.deploy().ok
    [point] = [point for point in lab.points() if point.endswith(f":ldconfig:{CACHE}")]
    clean(lab, amd)
    if choice == "none":
        assert lab.deploy().ok
        rocm.wish(lab, choice)
    power_cut(lab, point)
    found = lab.ssh(f"ls {rocm.LOADER} 2>/dev/null; ldconfig -p | grep -c /opt/rocm", check=False).split()
    assert found == ([rocm.LOADER, "0"] if choice == "7.2" else ["1"])
    seen = "without" if choice == "7.2" else "with"
    assert found_in_the_cache(lab) == {"loader's cache": f"{seen} libhsa-runtime64.so.1"}
    assert rocm.loaded_from(lab, amd) == (rocm.LIBRARY if choice == "7.2" else "not found")
    assert lab.deploy().changes == []


def test_the_pin_makes_amds_package_win_over_a_higher_version_of_the_distribution(lab: Lab, amd: Amd) -> None:
    """Debian's archive has a rocminfo of its own, as Ubuntu's universe has."""
    assert lab.deploy().ok
    policy = lab.ssh("apt-cache policy rocminfo")
    assert f"Candidate: {rocm.ROCMINFO.version}" in policy
    higher = lab.ssh("apt-cache madison rocminfo | cut -d'|' -f2").split()
    lab.ssh(f"dpkg --compare-versions {max(higher)} gt {rocm.ROCMINFO.version}")
    # Without it apt takes the distribution's, and finds that AMD's runtime does not go with that.
    lab.ssh("apt-get purge -y --auto-remove rocminfo >/dev/null 2>&1")
    simulated = "apt-get -s install rocm-hip-runtime-dev rocminfo 2>&1"
    assert f"Inst rocminfo ({rocm.ROCMINFO.version}" in lab.ssh(simulated)
    assert "unmet dependencies" in lab.ssh(f"mv {rocm.FILES[2]} /root/pin; {simulated}; mv /root/pin {rocm.FILES[2]}")
    # A priority of 600 is for the one repository alone.
    assert lab.ssh("apt-cache policy | grep -c 'release o=repo.radeon.com'").strip() == "1"


FAULTS = {
    "wrong key": ({"key": "other.asc"}, "is another key: found fingerprint {other}, wanted {amd}"),
    "two keys": ({"key": "two.asc"}, "holds 2 keys and apt would trust each of them"),
    "no key": ({"key": "page.asc"}, "it is no OpenPGP key: it begins with '<html>"),
    "key not there": ({"key": "gone.asc"}, "the server says 404"),
    "expired key": ({"at": "expired", "key": "old.asc", "fingerprint": "old"}, "the key has expired"),
    "not signed by it": ({"at": "others"}, "the index is signed by another key"),
    "not signed": ({"at": "unsigned"}, "the index is not signed"),
    "missing suite": ({"suite": "resolute"}, "the repository has no suite resolute"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_repository_that_does_not_work_never_gets_on_the_box(lab: Lab, amd: Amd, fault: str) -> None:
    how, words = FAULTS[fault]
    amd.offer(**{**how, **({"fingerprint": amd.fingerprints["old"]} if "fingerprint" in how else {})})
    outcome = lab.deploy()
    print(outcome.error)
    assert not outcome.ok
    assert words.format(**amd.fingerprints) in outcome.error
    assert "\n  next: " in outcome.error
    assert "unsandboxed" not in outcome.error
    assert rocm.there(lab) == []
    lab.ssh("apt-get update --error-on=any")
    assert lab.ssh("ls /run/strixkit-apt 2>&1; true").count("No such file") == 1


def test_no_network(lab: Lab, amd: Amd) -> None:
    url, amd.server.url = amd.server.url, "http://198.18.0.1:9"
    try:
        amd.offer()
        outcome = lab.deploy()
    finally:
        amd.server.url = url
    assert "http://198.18.0.1:9/amd.asc: it cannot be reached: " in outcome.error
    assert rocm.there(lab) == []
    # Nothing of the failure is in the way of the right one.
    amd.offer()
    assert lab.deploy().ok


def test_a_failure_leaves_what_worked_before(lab: Lab, amd: Amd) -> None:
    """A changed repository is tried before the old one goes."""
    assert lab.deploy().ok
    before = lab.ssh(f"cat {rocm.FILES[1]}")
    amd.offer(suite="resolute")
    assert not lab.deploy().ok
    assert lab.ssh(f"cat {rocm.FILES[1]}") == before
    lab.ssh("apt-get update --error-on=any")


def test_what_others_have_made_of_the_files_is_seen(lab: Lab, amd: Amd) -> None:
    assert lab.deploy().ok
    lab.put(amd.server.folder / "two.asc", "/root/two.asc")
    lab.ssh(
        f"cp /root/two.asc {rocm.FILES[0]}; sed -i s/600/500/ {rocm.FILES[2]}; echo Trusted: yes >> {rocm.FILES[1]}"
    )
    outcome = lab.deploy()
    assert outcome.ok, outcome.error
    assert set(fields(outcome.changes)) == {"key", "source", "pin"}
    assert fields(outcome.changes)["key"] == f"{amd.fingerprints['amd']}, {amd.fingerprints['other']}"
    assert lab.deploy().changes == []


def test_the_same_repository_in_other_files(lab: Lab, amd: Amd) -> None:
    """As AMD's own guide writes it. Two entries with two keyrings would be an error of every apt-get."""
    line = f"deb [arch=amd64 signed-by=/etc/apt/keyrings/rocm.gpg] {amd.server.url}/good noble main"
    debian = lab.ssh("cat /etc/apt/sources.list")
    lab.ssh(f"echo '{line}' > /etc/apt/sources.list.d/rocm.list")
    lab.ssh(f"echo '{line}' >> /etc/apt/sources.list")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    found = fields(outcome.changes)
    assert found["in /etc/apt/sources.list.d/rocm.list"] == found["in /etc/apt/sources.list"] == line
    assert lab.ssh("ls /etc/apt/sources.list.d/rocm.list 2>&1; true").count("No such file") == 1
    assert lab.ssh("cat /etc/apt/sources.list") == debian
    assert lab.ssh("cat /var/lib/strixkit/backup/etc/apt/sources.list.d/rocm.list.1").strip() == line
    lab.ssh("apt-get update --error-on=any")
    assert lab.deploy().changes == []


def test_an_entry_that_is_not_ours_to_split_is_told_before_apt_breaks(lab: Lab, amd: Amd) -> None:
    stanza = (
        f"Types: deb\nURIs: http://192.0.2.1/x {amd.server.url}/good/\nSuites: noble\nComponents: main\nSigned-By: /x\n"
    )
    lab.ssh(f"printf '%s' '{stanza}' > /etc/apt/sources.list.d/both.sources")
    try:
        outcome = lab.deploy()
        print(outcome.error)
        assert "apt would refuse its sources with strixkit-rocm.sources among them" in outcome.error
        assert "Signed-By" in outcome.error
        assert rocm.there(lab) == []
    finally:
        lab.ssh("rm /etc/apt/sources.list.d/both.sources")


def test_amdgpu_install_goes_first_with_what_it_owns(lab: Lab, amd: Amd, tmp_path: Path) -> None:
    path = "/etc/apt/sources.list.d/rocm.list"
    entry = f"deb {amd.server.url}/good noble main\n"
    tool = Package("amdgpu-install", "7.1", files={path: entry}, conffiles=(path,))
    rocm.install_by_hand(lab, tool, tmp_path)
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert fields(outcome.changes)["amdgpu-install"] == "7.1"
    assert rocm.versions(lab, "amdgpu-install") == {}
    assert lab.ssh(f"ls {path} 2>&1; true").count("No such file") == 1
    assert lab.deploy().changes == []
    # Removed and not purged it still owns its sources.
    lab.ssh("dpkg -i /root/amdgpu-install_7.1_amd64.deb; apt-get remove -y amdgpu-install")
    outcome = lab.deploy()
    assert fields(outcome.changes)["amdgpu-install"] == "7.1 (its configuration)"
    assert lab.deploy().changes == []


def test_the_archives_package_gives_way(lab: Lab, amd: Amd, tmp_path: Path) -> None:
    """Its version is the higher one, and apt downgrades nothing at priority 600."""
    rocm.install_by_hand(lab, rocm.UNIVERSE, tmp_path)
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert fields(outcome.changes)["rocminfo"] == "5.7.1-3build1"
    assert rocm.versions(lab, "rocminfo") == {"rocminfo": rocm.ROCMINFO.version}


def test_none_takes_away_what_rocm_brought_and_nothing_else(lab: Lab, amd: Amd, tmp_path: Path) -> None:
    assert lab.deploy().ok
    # One that was orphaned before is none of our business; one that needs ROCm goes, and the plan says so.
    rocm.install_by_hand(lab, Package("old-orphan", "1"), tmp_path)
    lab.ssh("apt-mark auto old-orphan")
    rocm.install_by_hand(lab, Package("needs-rocm", "1", depends="rocblas-dev"), tmp_path)
    rocm.wish(lab, "none")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert fields(outcome.changes)["with them"] == "hsa-rocr, needs-rocm"
    assert rocm.versions(lab, "rocminfo", "rocblas-dev", "hsa-rocr", "needs-rocm", "old-orphan") == {"old-orphan": "1"}
    assert rocm.there(lab) == []
    assert lab.ssh("ls /etc/profile.d/strixkit-rocm.sh 2>&1; true").count("No such file") == 1
    assert lab.deploy().changes == []
    lab.ssh("apt-get purge -y old-orphan; apt-get update --error-on=any")


def test_amdvlk_and_what_selects_it_go(lab: Lab, amd: Amd, tmp_path: Path) -> None:
    rocm.wish(lab, None)
    icd = "/etc/vulkan/icd.d/amd_icd64.json"
    rocm.install_by_hand(lab, Package("amdvlk", "2025.Q2.1", files={icd: "{}"}), tmp_path)
    lab.ssh("mkdir -p /etc/vulkan/icd.d; echo {} > /etc/vulkan/icd.d/amd_icd32.json")
    lab.ssh(f"echo VK_ICD_FILENAMES={icd} >> /etc/environment; echo OTHER=1 >> /etc/environment")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert {change.resource for change in outcome.changes} == {
        "absent_packages:amdvlk",
        f"file:{icd}",
        "file:/etc/vulkan/icd.d/amd_icd32.json",
        "unset_variable:/etc/environment:VK_ICD_FILENAMES",
    }
    assert lab.ssh("ls /etc/vulkan/icd.d").split() == []
    assert lab.ssh("grep -c . /etc/environment").strip() == "1"
    assert lab.ssh("cat /var/lib/strixkit/backup/etc/vulkan/icd.d/amd_icd32.json.1").strip() == "{}"
    assert lab.deploy().changes == []


def test_a_package_of_a_foreign_architecture_goes_and_its_native_namesake_stays(lab: Lab, tmp_path: Path) -> None:
    """As a box has them on which somebody plays: apt's name of such a package without its end is another package."""
    rocm.wish(lab, None)
    lab.ssh("dpkg --add-architecture i386")
    try:
        rocm.install_by_hand(lab, Package("needs-amdvlk", "1"), tmp_path)
        for foreign in (
            Package("amdvlk", "2025.Q2.1", architecture="i386"),
            Package("needs-amdvlk", "1", depends="amdvlk", architecture="i386"),
        ):
            rocm.install_by_hand(lab, foreign, tmp_path)
        outcome = lab.deploy()
        assert outcome.ok, (outcome.error, outcome.log)
        assert fields(outcome.changes) == {"amdvlk:i386": "2025.Q2.1", "with them": "needs-amdvlk:i386"}
        shown = "dpkg-query -W -f='${Package}:${Architecture} ${db:Status-Status}\n' '*amdvlk*'"
        assert lab.ssh(shown).splitlines() == ["needs-amdvlk:amd64 installed"]
        assert lab.deploy().changes == []
    finally:
        lab.ssh(
            "dpkg --purge needs-amdvlk; dpkg --purge needs-amdvlk:i386 amdvlk:i386; dpkg --remove-architecture i386"
        )


def test_nothing_goes_while_apt_cannot_say_what_would_go_with_it(lab: Lab, tmp_path: Path) -> None:
    rocm.wish(lab, None)
    rocm.install_by_hand(lab, Package("amdvlk", "2025.Q2.1"), tmp_path)
    broken = Package("broken", "1", depends="what-nobody-has").build(tmp_path)
    lab.put(broken, "/root/broken.deb")
    lab.ssh("dpkg --unpack /root/broken.deb")
    try:
        with pytest.raises(InputError) as caught:
            lab.deploy()
        assert "apt does not say what would go with amdvlk: " in caught.value.message
        assert "Unmet dependencies" in caught.value.message
        assert "on the box: dpkg --configure -a && apt-get --fix-broken install" in caught.value.message
        assert rocm.versions(lab, "amdvlk") == {"amdvlk": "2025.Q2.1"}
    finally:
        lab.ssh("dpkg --purge --force-all broken")
    assert lab.deploy().ok
    assert rocm.versions(lab, "amdvlk") == {}


def test_what_somebody_holds_is_not_taken_from_him(lab: Lab, tmp_path: Path) -> None:
    rocm.wish(lab, None)
    rocm.install_by_hand(lab, Package("amdvlk", "2025.Q2.1"), tmp_path)
    rocm.install_by_hand(lab, Package("needs-amdvlk", "1", depends="amdvlk"), tmp_path)
    lab.ssh("apt-mark hold needs-amdvlk")
    try:
        with pytest.raises(InputError, match=r"on hold: needs-amdvlk\b.* on the box: apt-mark unhold needs-amdvlk"):
            lab.deploy()
    finally:
        lab.ssh("apt-mark unhold needs-amdvlk")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert rocm.versions(lab, "amdvlk", "needs-amdvlk") == {}


def test_what_was_unpacked_without_its_dependencies_when_the_power_went_is_completed(
    lab: Lab, amd: Amd, tmp_path: Path
) -> None:
    lab.put(rocm.RUNTIME.build(tmp_path), "/root/runtime.deb")
    lab.ssh("dpkg --unpack /root/runtime.deb")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert set(rocm.versions(lab, *rocm.NAMES)) == set(rocm.NAMES)
    assert lab.deploy().changes == []
