"""What the doctor says of each captured tree: its doctor.json has the verdicts, and why, from the failures' texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doctor_trees import SYSFS, Tree, host

from strixkit.doctor.check import Verdict
from strixkit.doctor.checks import CHECKS
from strixkit.doctor.diagnosis import exit_code

TREES = sorted(path.parent.name for path in SYSFS.glob("*/doctor.json"))


def test_all_trees_have_verdicts() -> None:
    assert sorted(path.name for path in SYSFS.iterdir() if path.is_dir()) == TREES


@pytest.mark.parametrize("name", TREES)
def test_captured_tree(name: str, tmp_path: Path) -> None:
    wanted = json.loads((SYSFS / name / "doctor.json").read_text())
    found = Tree(name, tmp_path).diagnose()
    assert list(wanted) == [check.id for check in CHECKS]
    verdicts = {id: finding.verdict.value for id, finding in found.items()}
    assert verdicts == {id: verdict for id, (verdict, why) in wanted.items()}, {
        id: (finding.seen, wanted[id][1]) for id, finding in found.items() if finding.verdict != wanted[id][0]
    }
    expected = max({"FAIL": 2, "WARN": 1}.get(verdict, 0) for verdict, why in wanted.values())
    assert exit_code(found.values()) == expected


def test_the_kernel_without_the_fix_fails_where_rocm_is_wanted(tmp_path: Path) -> None:
    """By rule Debian 13 gets no ROCm, and the check does not concern it."""
    found = Tree("debian-6.12-no-cwsr-fix", tmp_path).diagnose(host(rocm="10.0"))
    assert found["kfd-cwsr"].verdict is Verdict.FAIL
    assert "6.12.48+deb13-amd64 says no ctl_stack_size and no cwsr_size" in found["kfd-cwsr"].seen[0]


def test_words_of_the_bare_box(tmp_path: Path) -> None:
    found = Tree("strix-128gb-bare", tmp_path).diagnose()
    assert found["gtt-limit"].seen == (
        "GTT is 62.5 GiB (half of the memory, the kernel's default), strix_gtt_gib wants 108 GiB",
    )
    assert found["gtt-limit"].do == ("invoke deploy --host strix01 --reboot",)


def test_words_of_the_large_carve_out(tmp_path: Path) -> None:
    found = Tree("strix-128gb-carveout-96gb", tmp_path).diagnose()
    [seen] = found["bios-carveout"].seen
    assert "96 GiB of 128 GiB" in seen
    assert "0: Minimum (512 MB)" in seen
    assert "UMA Frame Buffer" in found["bios-carveout"].do[0]


def test_a_box_without_gpu_says_why(tmp_path: Path) -> None:
    found = Tree("no-amdgpu", tmp_path).diagnose()
    assert found["gtt-limit"].seen == ("no amdgpu card: the kernel was booted with nomodeset",)
