"""Boxes are real machines, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from strixkit import sandbox
from strixkit.errors import InputError
from tests.box.lab import Lab

pytestmark = pytest.mark.box
Boot = Callable[..., list[sandbox.Box]]


@pytest.fixture(scope="module")
def labs(boxes, client: Path, tiny_model: Path) -> list[Lab]:
    return [Lab(box, client, tiny_model) for box in boxes(3)]


def test_three_are_up_with_a_systemd_of_their_own(labs: list[Lab]) -> None:
    boots = {lab.ssh("cat /proc/sys/kernel/random/boot_id /etc/machine-id") for lab in labs}
    assert len(boots) == 3
    assert {lab.ssh("cat /proc/1/comm").strip() for lab in labs} == {"systemd"}
    assert {lab.ssh("systemctl is-system-running --wait", check=False).strip() for lab in labs} == {"running"}


def test_apt_works_inside(labs: list[Lab]) -> None:
    labs[0].ssh("apt-get update -qq && apt-get install -y -qq tree >/dev/null 2>&1")
    assert "tree v" in labs[0].ssh("tree --version")


def test_there_is_a_real_vulkan_device(labs: list[Lab]) -> None:
    assert "Vulkan0: llvmpipe" in labs[0].ssh("GGML_VK_VISIBLE_DEVICES=0 llama-server --list-devices 2>&1")


def test_a_power_cut_keeps_what_was_written(labs: list[Lab]) -> None:
    lab = labs[1]
    lab.ssh("echo kept > /root/kept && sync")
    before = lab.ssh("systemctl show -p UserspaceTimestamp")
    sandbox.power_cut(lab.box.name)
    sandbox.start(lab.box.name)
    assert lab.ssh("cat /root/kept").strip() == "kept"
    assert lab.ssh("systemctl show -p UserspaceTimestamp") != before


def test_a_reboot_is_another_boot_of_the_same_box(labs: list[Lab]) -> None:
    lab, boot_id = labs[1], "cat /proc/sys/kernel/random/boot_id"
    before = lab.ssh(boot_id)
    lab.ssh("echo rebooted > /root/kept; systemctl reboot", check=False)
    end = time.monotonic() + 60
    while (found := lab.ssh(boot_id, check=False)) in ("", before) and time.monotonic() < end:
        time.sleep(0.2)
    assert found not in ("", before)
    assert lab.ssh("cat /root/kept").strip() == "rebooted"


def test_down_in_the_middle_of_a_reboot_leaves_nothing(boxes: Boot) -> None:
    [box] = boxes(1)
    init = psutil.Process(box.pid).children()[0].pid
    subprocess.run(["nsenter", "-t", str(init), "-a", "systemctl", "reboot"], capture_output=True, check=False)
    assert sandbox.down([box.name]) == [box.name]
    assert not box.root.exists()
    everything = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [word for words in everything for word in words if word.endswith(box.name)]


def test_down_leaves_nothing(labs: list[Lab]) -> None:
    lab = labs[2]
    [box] = [found for found in sandbox.boxes() if found.name == lab.box.name]
    assert box.pid is not None
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    family = [psutil.Process(box.pid), *psutil.Process(box.pid).children(recursive=True)]
    assert sandbox.down([lab.box.name]) == [lab.box.name]
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    assert not os.path.ismount(box.root)
    assert not box.root.exists()
    assert sandbox.down([lab.box.name]) == []
    assert subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout == routes


@pytest.mark.parametrize("name", ["box00", "box100", "web", "../x", "box1"])
def test_other_names_are_refused(name: str, client: Path) -> None:
    with pytest.raises(InputError, match="box01 to box99"):
        sandbox.up([name], client=client, report=print)
