"""Versions that are known good and known bad, read from the project's own table."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from strixkit.errors import InputError
from strixkit.host.compatibility import Entry, holds, load_table, numbers, verdicts
from strixkit.planner.facts import Facts, KfdNode, Memory, Os

FIXED = (KfdNode(gfx_target_version=110501, cwsr_size=1, ctl_stack_size=1),)
UNFIXED = (KfdNode(gfx_target_version=110501),)


def _facts(
    release: str = "debian-13",
    kernel: str = "",
    kfd: tuple[KfdNode, ...] = (),
    packages: dict[str, str] | None = None,
    rocm: dict[str, str] | None = None,
) -> Facts:
    name, _, version = release.partition("-")
    return Facts(
        hostname="box",
        os=Os(id=name, version_id=version),
        memory=Memory(total_bytes=1, available_bytes=1),
        kernel=kernel,
        kfd=kfd,
        packages=packages or {},
        rocm=rocm or {},
    )


@pytest.mark.parametrize(
    ("release", "kernel", "kfd", "verdict"),
    [
        ("ubuntu-24.04", "6.17.0-19-generic", (), "ok"),
        ("ubuntu-24.04", "6.17.0-18-generic", (), "warn"),
        ("ubuntu-24.04", "6.14.0-1018-oem", (), "ok"),
        ("ubuntu-24.04", "6.14.0-1017-oem", (), "warn"),
        ("ubuntu-24.04", "6.14.0-1018-generic", (), "warn"),
        ("ubuntu-24.04", "6.8.0-90-generic", FIXED, None),
        ("ubuntu-26.04", "7.0.0-15-generic", (), "ok"),
        ("debian-13", "6.12.48+deb13-amd64", (), "warn"),
        ("debian-13", "6.12.48+deb13-amd64", UNFIXED, "warn"),
        ("debian-13", "6.12.48+deb13-amd64", FIXED, None),
        ("debian-13", "7.1.8+deb13-amd64", (), "ok"),
        ("fedora-43", "6.18.3-200.fc43.x86_64", (), "warn"),
        ("fedora-43", "6.18.9-200.fc43.x86_64", (), "ok"),
        ("fedora-43", "6.18", (), "warn"),
        ("fedora-43", "", (), None),
        ("fedora-43", "rolling", (), None),
    ],
)
def test_kernels(release: str, kernel: str, kfd: tuple[KfdNode, ...], verdict: str | None) -> None:
    found = verdicts(_facts(release, kernel, kfd))
    assert [known.verdict for known in found] == ([verdict] if verdict else [])


@pytest.mark.parametrize(
    ("name", "version", "verdict"),
    [
        ("amd-gpu-firmware", "20251125-1.fc43", "bad"),
        ("linux-firmware", "20251125-1.fc43", "bad"),
        ("firmware-amd-graphics", "20251125-1", "bad"),
        ("linux-firmware", "20251202-1.fc43", "warn"),
        ("linux-firmware", "20260110-1.fc43", "ok"),
        ("linux-firmware", "20240318.git3b128b60-0ubuntu2.27", "ok"),
        ("firmware-amd-graphics", "20250410-2", "ok"),
        ("mesa-vulkan-drivers", "25.0.7-2", "warn"),
        ("mesa-vulkan-drivers", "1:25.2.8-0ubuntu0.24.04.2", "ok"),
        ("mesa-vulkan-drivers", "26.0.3-1ubuntu1", "ok"),
        ("bash", "20251125", None),
    ],
)
def test_packages(name: str, version: str, verdict: str | None) -> None:
    found = verdicts(_facts(packages={name: version}))
    assert [(known.component, known.verdict) for known in found] == ([(name, verdict)] if verdict else [])


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("6.4.1", "bad"), ("7.1.1", "bad"), ("7.2.4", "ok"), ("7.9.0", "bad"), ("7.12.0", "ok"), ("10.0.0", "ok")],
)
def test_rocm_of_amd(version: str, verdict: str) -> None:
    assert [known.verdict for known in verdicts(_facts(rocm={"/opt/rocm": version}))] == [verdict]


def test_what_is_not_among_the_facts() -> None:
    assert [known.verdict for known in verdicts(_facts(), {"mes": "0x00000083"})] == ["bad"]
    assert verdicts(_facts(), {"mes": "0x80"}) == []


def test_the_worst_comes_first_and_says_what_to_do() -> None:
    packages = {"linux-firmware": "20251125-1", "mesa-vulkan-drivers": "26.0.3"}
    found = verdicts(_facts(kernel="6.12.1-amd64", packages=packages))
    assert [known.verdict for known in found] == ["bad", "warn", "ok"]
    assert found[0].words.startswith("linux-firmware 20251125-1: its MES firmware 0x83 hangs the GPU; firmware of 2026")


def test_each_entry_that_is_not_ok_says_what_to_do() -> None:
    assert all(entry.todo for entry in load_table() if entry.verdict != "ok")


def test_versions_are_compared_by_their_numbers() -> None:
    assert numbers("6.17.0-19-generic") == (6, 17, 0, 19)
    assert holds("6.17", ">= 6.17.0")
    assert not holds("6.9", ">= 6.17")
    assert holds("20251125-1.fc43", "== 20251125")
    assert not holds("20251125-1.fc43", "> 20251125")
    assert holds("7.3", "< 7.11")


@pytest.mark.parametrize("versions", ["6.18", "=> 1", ">= x", ">= 1 2", ">=1"])
def test_a_bad_comparison_is_refused(versions: str) -> None:
    with pytest.raises(ValidationError):
        Entry(component="kernel", versions=(versions,), verdict="ok", what="", evidence="https://x")


def test_a_bad_table_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "table.yaml"
    bad.write_text(
        "entries:\n  - component: bios\n    versions: []\n    verdict: ok\n    what: x\n    evidence: https://x\n"
    )
    with pytest.raises(InputError, match="component"):
        load_table(bad)
