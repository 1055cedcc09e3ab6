"""Kernel arguments on a machine that really boots with them: set, changed, taken back, each seen in the next boot."""

from __future__ import annotations

import pytest

from strixkit.secret import Secret
from tests.vm.lab import DROP_IN, FOLLOW_GUIDE, GRUB_CFG, GUIDE, NAME, PAGES_OF_GIB, Lab

pytestmark = pytest.mark.vm

BEFORE = "/root/grub.cfg.before"
MODPROBE = "/etc/modprobe.d/guide.conf"
OPTION = "options amdgpu gttsize=131072"
PAGES_54 = str(54 * PAGES_OF_GIB)
PAGES_40 = str(40 * PAGES_OF_GIB)
NOTHING = {"strix_gtt_gib": "default", "strix_iommu": "default"}


@pytest.fixture
def provisioned(lab: Lab) -> Lab:
    """A machine that had followed another guide, deployed and rebooted by the command line."""

    def prepare() -> None:
        lab.machine.ssh(
            f"{FOLLOW_GUIDE} && update-grub && cp {GRUB_CFG} {BEFORE} && echo '{OPTION}' > {MODPROBE} && sync"
        )
        old = lab.boot_id()
        done = lab.invoke("deploy", "--host", NAME, "--reboot")
        assert done.returncode == 0, done.stdout + done.stderr
        shown = " ".join(done.stdout.split())
        for name in ("amdgpu.gttsize", "amd_iommu", "ttm.pages_limit", MODPROBE, "initramfs"):
            assert name in shown, done.stdout
        assert "SIMULATED" in shown
        assert lab.boot_id() != old

    lab.at("provisioned", prepare)
    return lab


def test_the_machine_boots_with_what_was_deployed(provisioned: Lab) -> None:
    assert provisioned.live("ttm.pages_limit") == provisioned.configured("ttm.pages_limit") == [PAGES_54]
    assert provisioned.live("amd_iommu") == provisioned.configured("amd_iommu") == ["off"]
    assert provisioned.live("amdgpu.gttsize") == provisioned.configured("amdgpu.gttsize") == []
    # What was there and is nobody's business has stayed, and the guide's words are where they were.
    assert "console=ttyS0 mitigations=off quiet" in provisioned.machine.ssh("cat /proc/cmdline")
    assert GUIDE in provisioned.machine.ssh("cat /etc/default/grub")
    assert OPTION not in provisioned.machine.ssh(f"cat {MODPROBE}", check=False)


def test_a_second_deploy_changes_nothing(provisioned: Lab) -> None:
    outcome = provisioned.deploy(reboot=True)
    assert outcome.ok
    assert (outcome.changes, outcome.pending, outcome.applied) == ([], [], False)
    assert outcome.round_trips == 2


@pytest.mark.nightly
def test_another_value(provisioned: Lab) -> None:
    """Without --reboot it is configured, and the reboot is named; with it, it is live."""
    lab = provisioned
    lab.variables["strix_gtt_gib"] = 40
    done = lab.invoke("deploy", "--host", NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reboot needed for: ttm.pages_limit" in done.stdout
    assert f"invoke deploy --host {NAME} --reboot" in done.stdout
    assert (lab.live("ttm.pages_limit"), lab.configured("ttm.pages_limit")) == ([PAGES_54], [PAGES_40])
    old = lab.boot_id()
    outcome = lab.deploy(reboot=True)
    assert outcome.ok, outcome.error
    assert [change.field for change in outcome.changes] == ["ttm.pages_limit (live)"]
    assert lab.boot_id() != old
    assert lab.live("ttm.pages_limit") == [PAGES_40]
    again = lab.deploy(reboot=True)
    assert (again.changes, again.pending, again.round_trips) == ([], [], 2)


def test_taken_back(provisioned: Lab) -> None:
    """`default` gives grub.cfg as it was before strixkit, the other guide's arguments included."""
    lab = provisioned
    lab.variables.update(NOTHING)
    outcome = lab.deploy()
    assert outcome.ok, outcome.error
    assert outcome.changes
    assert {change.field for change in outcome.pending} == {"ttm.pages_limit (live)", "amd_iommu (live)"}
    lab.machine.ssh(f"cmp {BEFORE} {GRUB_CFG} && test ! -e {DROP_IN}")
    assert lab.deploy().changes == []


def test_taken_back_by_hand(provisioned: Lab) -> None:
    """The line that docs/changes.md gives a person."""
    lab = provisioned
    resources = lab.deploy().shown["roles"]["kernel"]
    [undo] = [resource.undo() for resource in resources if resource.kind == "kernel_arguments"]
    lab.machine.ssh(undo)
    lab.machine.ssh(f"cmp {BEFORE} {GRUB_CFG}")


@pytest.mark.nightly
def test_through_a_jump_host_by_sudo(lab: Lab, jump_host: str) -> None:
    """The connection is made anew after the reboot the same way: through the jump host, with the sudo password."""
    lab.user, lab.password, lab.address = "operator", Secret("operator"), jump_host
    old = lab.boot_id()
    outcome = lab.deploy(reboot=True)
    assert outcome.ok, outcome.error
    assert lab.boot_id() != old
    assert lab.live("ttm.pages_limit") == [PAGES_54]
