"""Machines that do not come back, and a /boot on which nothing can be written."""

from __future__ import annotations

import re

import pytest

from strixkit.errors import StrixError
from tests.vm.lab import DROP_IN, GRUB_CFG, NAME, Lab

pytestmark = pytest.mark.vm


@pytest.fixture
def configured(lab: Lab) -> Lab:
    """A machine that lacks nothing but the reboot."""

    def prepare() -> None:
        outcome = lab.deploy()
        assert outcome.ok, outcome.error
        assert outcome.pending

    lab.at("configured", prepare)
    return lab


@pytest.mark.nightly
def test_it_never_comes_back(configured: Lab) -> None:
    """It is said with what was last seen, within the time that was given, and the rest of the fleet is left alone."""
    lab = configured
    lab.others = ("vm02",)
    lab.machine.stays_off()
    done = lab.invoke("deploy", "--host", f"{NAME},vm02", "--reboot", "--reboot-timeout", "1")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert re.search(r"it did not come back within 1 min of its reboot; .*last seen at \d\d:\d\d:\d\d: ", said), said
    assert "look at its power and its console" in said
    assert "left alone: vm01 did not come back" in said
    assert not lab.machine.alive
    # A person switches it on.
    lab.machine.start()
    assert lab.deploy(reboot=True).changes == []


def test_boot_is_read_only(lab: Lab) -> None:
    lab.machine.ssh("mount --bind /boot /boot && mount -o remount,ro,bind /boot")
    before = lab.machine.ssh(f"sha256sum {GRUB_CFG}")
    with pytest.raises(StrixError, match=r"/boot.*read-only") as caught:
        lab.deploy(reboot=True)
    assert NAME in str(caught.value)
    assert lab.machine.ssh(f"sha256sum {GRUB_CFG}; ls {DROP_IN} 2>&1", check=False).startswith(before)
    lab.machine.ssh(f"test ! -e {DROP_IN}")
    lab.machine.ssh("umount /boot")
    assert lab.deploy().ok


def test_boot_is_full(lab: Lab) -> None:
    """A small /boot of its own without room for another initramfs."""
    lab.machine.ssh(
        "mkdir /run/boot && mount -t tmpfs -o size=48m tmpfs /run/boot && cp -a /boot/. /run/boot && "
        "mount --bind /run/boot /boot && echo 'options amdgpu gttsize=117760' > /etc/modprobe.d/guide.conf && "
        "(cat /dev/zero > /boot/filler 2>/dev/null; true)"
    )
    with pytest.raises(StrixError, match=r"/boot.*(free|room|space)"):
        lab.deploy()
    lab.machine.ssh(f"test ! -e {DROP_IN} && test -e /etc/modprobe.d/guide.conf")
