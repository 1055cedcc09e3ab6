"""Kernel arguments on a real box: Debian's own grub-mkconfig, kernel-install and update-initramfs, with a real kernel.

A box is a container, so its kernel never boots with them; tests/vm does that. Two things are played: grub-probe, which
finds no disk in a container, and grubby, since there is no Fedora here (fake_grubby.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strixkit import sandbox
from strixkit.engine.converge import Job, Outcome, apply, observe
from strixkit.engine.events import Event
from strixkit.errors import InputError
from strixkit.fleet import verbs
from strixkit.resources.grub_drop_in import PATH as DROP_IN
from strixkit.resources.kernel_arguments import Argument, KernelArguments
from tests.box.interruptions import EVERY_RUN, taken
from tests.box.lab import Abandoned, Lab

pytestmark = [pytest.mark.box, pytest.mark.slow]

PACKAGES = "initramfs-tools linux-image-cloud-amd64 grub2-common"
# FAKE: the real one finds no disk below a container.
GRUB_PROBE = """\
#!/bin/sh
case "$*" in
  *target=device*) echo /dev/null ;;
  *target=fs_uuid*) echo 1234-5678 ;;
  *target=fs*) echo ext2 ;;
  *target=drive*) echo '(hd0)' ;;
esac
"""
FOUND = "quiet amdgpu.gttsize=131072 amd_iommu=pt splash"
LIMIT = Argument(name="ttm.pages_limit", value="28311552", reason="GTT of 108 GiB")
OFF = Argument(name="amd_iommu", value="off", reason="faster")
STALE = Argument(name="amdgpu.gttsize", value=None, reason="deprecated")
OURS = "ttm.pages_limit=28311552 amd_iommu=off"
RELEASED = [Argument(name=a.name, value=None, reason="default", released=True) for a in (LIMIT, OFF, STALE)]
WISH = KernelArguments(arguments=(LIMIT, OFF, STALE), cmdline=OURS)
LESS = KernelArguments(arguments=(LIMIT.model_copy(update={"value": "5"}), STALE), cmdline="ttm.pages_limit=5")
NONE = KernelArguments(arguments=tuple(RELEASED), cmdline=FOUND)
MODPROBE = "# mine\noptions ttm pages_limit=27648000 page_pool_size=5\noptions amdgpu gttsize=131072\n"

CLEAN = (
    "umount -q /boot; rm -rf /var/lib/strixkit /etc/default/grub.d/* /etc/modprobe.d/mine.conf /etc/kernel /boot/grub "
    "/boot/loader /usr/sbin/grubby /usr/lib/kernel/cmdline; cp -n /usr/sbin/update-grub /root/update-grub; "
    "rm -f /usr/sbin/update-grub; mkdir -p /etc/kernel\n"
)
GRUB = f"""\
cp /root/update-grub /usr/sbin/update-grub
mkdir -p /boot/grub
printf 'GRUB_CMDLINE_LINUX_DEFAULT="other"\\nGRUB_CMDLINE_LINUX="ttm.pages-limit=1 console=tty0"\\n' > /etc/default/grub
printf 'GRUB_CMDLINE_LINUX_DEFAULT="{FOUND}"\\n' > /etc/default/grub.d/50-cloudimg-settings.cfg
update-grub 2>/dev/null
"""
ENTRIES = f"""\
mkdir -p /boot/loader/entries
printf 'layout=bls\\nBOOT_ROOT=/boot\\n' > /etc/kernel/install.conf
printf '# mine\\nroot=UUID=1 {FOUND}\\n' > /etc/kernel/cmdline
v=$(ls /lib/modules)
kernel-install add $v /boot/vmlinuz-$v /boot/initrd.img-$v
"""
GRUBBY = ENTRIES + "cp /root/fake_grubby.py /usr/sbin/grubby; chmod 755 /usr/sbin/grubby\n"
LOADERS = {"grub": GRUB, "systemd-boot": ENTRIES, "grubby (fake)": GRUBBY}
CONFIGURED = (
    "grep -h '^\\s*linux' /boot/grub/grub.cfg /boot/loader/entries/* 2>/dev/null; "
    "grep -h ^options /boot/loader/entries/* 2>/dev/null; cat /etc/kernel/cmdline 2>/dev/null; true"
)


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    lab.ssh("apt-get update -q >/dev/null")
    # A small initramfs is as good here, and is made many times. No module is listed.
    lab.ssh("mkdir -p /etc/initramfs-tools/conf.d; echo MODULES=list > /etc/initramfs-tools/conf.d/small")
    # In a unit, since the kernel's postinst takes longer than one ssh command may.
    install = f"DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {PACKAGES}"
    lab.ssh(f"systemd-run -q --unit=install sh -c '{install} && touch /root/installed'")
    for _ in range(20):
        if lab.ssh(
            "timeout 30 sh -c 'until test -e /root/installed; do sleep 1; done'; ls /root/", check=False
        ).strip():
            break
    lab.ssh("cat > /usr/sbin/grub-probe", stdin=GRUB_PROBE)
    lab.ssh("cat > /root/fake_grubby.py", stdin=(Path(__file__).parent / "fake_grubby.py").read_text())
    return lab


def make(
    lab: Lab, wanted: KernelArguments, *, hold_at: str = "", on_held: Callable[[], None] | None = None
) -> tuple[Outcome, list[str]]:
    """Make it so as a deploy does, and look again; the outcome, and the points that the job passed."""
    points = []

    def emit(event: Event) -> None:
        if event.kind == "reached":
            points.append(event.text)
        if event.kind == "held" and on_held is not None:
            on_held()

    session = verbs.open_host(lab.host(), verbs.Access())
    try:
        outcome = Outcome(lab.box.name)
        plan = observe(session, [wanted])
        if plan.todo:
            apply(session, plan, Job("test", "kernel arguments", hold_at), emit, outcome)
        return outcome, points
    finally:
        session.close()


def fields(outcome: Outcome) -> list[str]:
    return [change.field for change in outcome.changes]


def good(lab: Lab, wanted: KernelArguments) -> None:
    outcome, _ = make(lab, wanted)
    assert (outcome.error, outcome.remaining) == ("", []), outcome.log
    assert not make(lab, wanted)[0].applied


@pytest.mark.parametrize("loader", LOADERS)
def test_set_changed_and_given_back(lab: Lab, loader: str) -> None:
    lab.ssh(CLEAN + LOADERS[loader])
    before = lab.ssh(CONFIGURED)
    outcome, _ = make(lab, WISH)
    assert (outcome.error, outcome.remaining, outcome.pending) == ("", [], []), outcome.log
    assert fields(outcome) == ["ttm.pages_limit", "amd_iommu", "amdgpu.gttsize"]
    lines = [line for line in lab.ssh(CONFIGURED).splitlines() if "recovery" not in line and "quiet" in line]
    assert lines
    for line in lines:
        assert line.split().count("quiet") == 1
        assert "splash" in line
        assert set(OURS.split()) < set(line.split())
        assert "gttsize" not in line
        assert "=pt" not in line
        assert "pages-limit" not in line
    assert not make(lab, WISH)[0].applied
    good(lab, LESS)
    changed = lab.ssh(CONFIGURED)
    assert "ttm.pages_limit=5" in changed
    assert "28311552" not in changed
    assert "amd_iommu=off" not in changed
    good(lab, NONE)
    after = lab.ssh(CONFIGURED)
    if loader == "grub":
        assert after == before
        assert lab.ssh("ls /etc/default/grub.d").split() == ["50-cloudimg-settings.cfg"]
    else:
        # The words that were taken away are there again, at the end of the line.
        assert [sorted(line.split()) for line in after.splitlines()] == [
            sorted(line.split()) for line in before.splitlines()
        ]
        assert lab.ssh("ls /var/lib/strixkit/kernel-arguments.json", check=False) == ""
    assert lab.ssh("find /var/lib/strixkit/backup -type f").split()


def test_grub_s_recovery_entry_stays_as_it_is(lab: Lab) -> None:
    lab.ssh(CLEAN + GRUB)
    good(lab, WISH)
    [line] = lab.ssh("grep '^\\s*linux.* single' /boot/grub/grub.cfg").splitlines()
    assert "ttm.pages_limit" not in line


def test_grub_cfg_is_replaced_in_one_rename(lab: Lab) -> None:
    """Who has the old one open reads all of it: at no moment is it empty, or half of the new one."""
    lab.ssh(CLEAN + GRUB)
    lab.ssh("chmod 440 /boot/grub/grub.cfg; cp /boot/grub/grub.cfg /root/before; ln /boot/grub/grub.cfg /boot/grub/old")
    good(lab, WISH)
    lab.ssh("cmp /root/before /boot/grub/old")
    assert lab.ssh("stat -c '%a %U' /boot/grub/grub.cfg; ls /boot/grub").split() == ["440", "root", "grub.cfg", "old"]


def test_grub_s_tool_that_fails_leaves_the_menu_as_it_is(lab: Lab) -> None:
    """Another file of the machine breaks it; when that is mended, the same deploy again is enough."""
    lab.ssh(CLEAN + GRUB + "cp /boot/grub/grub.cfg /root/before; echo false > /etc/default/grub.d/00-broken.cfg")
    outcome, _ = make(lab, WISH)
    assert "update-grub" in outcome.error
    assert outcome.remaining
    lab.ssh("cmp /root/before /boot/grub/grub.cfg; rm /etc/default/grub.d/00-broken.cfg")
    good(lab, WISH)


def test_kernel_install_without_a_file_of_arguments(lab: Lab) -> None:
    """What it took instead is where ours are added, and is taken again when ours are gone."""
    lab.ssh(CLEAN + ENTRIES)
    lab.ssh(f"echo 'root=UUID=1 initrd=/x {FOUND}' > /usr/lib/kernel/cmdline; rm /etc/kernel/cmdline")
    good(lab, WISH)
    assert lab.ssh("cat /etc/kernel/cmdline") == "root=UUID=1 quiet splash amd_iommu=off ttm.pages_limit=28311552\n"
    good(lab, NONE)
    assert lab.ssh("ls /etc/kernel").split() == ["install.conf"]
    assert "amd_iommu=pt" in lab.ssh("cat /boot/loader/entries/*.conf")


def _modprobe(lab: Lab) -> None:
    lab.ssh("cat > /etc/modprobe.d/mine.conf", stdin=MODPROBE)
    lab.ssh("update-initramfs -u -k all >/dev/null 2>&1")


def _in_initramfs(lab: Lab) -> str:
    return lab.ssh(
        "unmkinitramfs /boot/initrd.img-* /root/initramfs && cat /root/initramfs/etc/modprobe.d/mine.conf "
        "/root/initramfs/main/etc/modprobe.d/mine.conf 2>/dev/null; rm -rf /root/initramfs",
        check=False,
    )


@pytest.mark.parametrize("loader", ["grub", "systemd-boot"])
def test_options_of_modprobe_d_go_and_the_initramfs_is_made_again(lab: Lab, loader: str) -> None:
    lab.ssh(CLEAN + LOADERS[loader])
    _modprobe(lab)
    assert _in_initramfs(lab) == MODPROBE
    outcome, _ = make(lab, WISH)
    assert (outcome.error, outcome.remaining) == ("", []), outcome.log
    assert fields(outcome)[3:] == [
        "ttm.pages_limit in /etc/modprobe.d/mine.conf",
        "amdgpu.gttsize in /etc/modprobe.d/mine.conf",
    ]
    kept = "# mine\noptions ttm page_pool_size=5\n"
    assert lab.ssh("cat /etc/modprobe.d/mine.conf") == kept
    assert _in_initramfs(lab) == kept
    assert lab.ssh("cat /var/lib/strixkit/backup/etc/modprobe.d/mine.conf.1") == MODPROBE
    if loader == "systemd-boot":
        lab.ssh("cmp /boot/initrd.img-* /boot/*/*/initrd.img-*")
    assert not make(lab, WISH)[0].applied


def _abandon() -> None:
    raise Abandoned


def connection_lost(lab: Lab, point: str, wanted: KernelArguments = WISH) -> None:
    with pytest.raises(Abandoned):
        make(lab, wanted, hold_at=point, on_held=_abandon)
    lab.ssh("touch /run/strixkit/go-on; flock --shared /run/strixkit/job.lock true")


def power_cut(lab: Lab, point: str, wanted: KernelArguments = WISH) -> None:
    def cut() -> None:
        sandbox.power_cut(lab.box.name)
        raise Abandoned

    with pytest.raises(Abandoned):
        make(lab, wanted, hold_at=point, on_held=cut)
    sandbox.start(lab.box.name)


INTERRUPTIONS = {"connection": connection_lost, "power": power_cut}


@pytest.mark.parametrize(("interrupt", "every"), EVERY_RUN)
@pytest.mark.parametrize("loader", LOADERS)
def test_interrupted_at_points(lab: Lab, loader: str, interrupt: str, every: int) -> None:
    """Whatever is cut off, the same deploy again ends as one that was not, and everything can still be given back."""
    write_modprobe = f"printf '{MODPROBE}' > /etc/modprobe.d/mine.conf"
    lab.ssh(CLEAN + LOADERS[loader])
    before = lab.ssh(CONFIGURED)
    lab.ssh(write_modprobe)
    outcome, points = make(lab, WISH)
    assert outcome.error == "", outcome.log
    whole = lab.ssh(CONFIGURED)
    assert len(points) > 6
    for point in taken(points, interrupt, every):
        good(lab, NONE)
        lab.ssh(f"rm -rf /var/lib/strixkit; {write_modprobe}")
        INTERRUPTIONS[interrupt](lab, point)
        good(lab, WISH)
        assert sorted(lab.ssh(CONFIGURED).split()) == sorted(whole.split()), point
        assert lab.ssh("cat /var/lib/strixkit/backup/etc/modprobe.d/mine.conf.1") == MODPROBE, point
        assert "27648000" not in _in_initramfs(lab), point
    good(lab, NONE)
    assert sorted(lab.ssh(CONFIGURED).split()) == sorted(before.split())


@pytest.mark.parametrize(("interrupt", "every"), EVERY_RUN)
@pytest.mark.parametrize("loader", LOADERS)
def test_giving_back_interrupted_at_points(lab: Lab, loader: str, interrupt: str, every: int) -> None:
    lab.ssh(CLEAN + LOADERS[loader])
    before = lab.ssh(CONFIGURED)
    good(lab, WISH)
    _, points = make(lab, NONE)
    assert len(points) > 3
    for point in taken(points, interrupt, every):
        good(lab, WISH)
        INTERRUPTIONS[interrupt](lab, point, NONE)
        good(lab, NONE)
        assert sorted(lab.ssh(CONFIGURED).split()) == sorted(before.split()), point


def _in_the_way(lab: Lab, wanted: KernelArguments) -> str:
    with pytest.raises(InputError) as caught:
        make(lab, wanted)
    assert caught.value.host == lab.box.name
    return str(caught.value)


def test_a_read_only_boot_is_refused_before_anything_is_touched(lab: Lab) -> None:
    lab.ssh(CLEAN + GRUB)
    good(lab, WISH)
    lab.ssh("mount --bind /boot /boot && mount -o remount,bind,ro /boot")
    try:
        assert not make(lab, WISH)[0].applied, "nothing is to be changed, so nothing is in the way"
        before = lab.ssh(f"cat {DROP_IN}")
        assert "read-only: mount -o remount,rw /boot" in _in_the_way(lab, LESS)
        assert lab.ssh(f"cat {DROP_IN}") == before
    finally:
        lab.ssh("umount /boot")
    good(lab, LESS)


def test_no_room_for_the_initramfs_is_refused_before_anything_is_touched(lab: Lab) -> None:
    lab.ssh(CLEAN + GRUB)
    _modprobe(lab)
    lab.ssh(
        "size=$(du -sm /boot | cut -f1); mkdir -p /mnt/small; mount -t tmpfs -o size=$((size + 2))m small /mnt/small; "
        "cp -a /boot/. /mnt/small; mount --bind /mnt/small /boot"
    )
    try:
        told = _in_the_way(lab, WISH)
        assert "MiB are needed for an initramfs" in told
        assert "apt autoremove --purge" in told
        assert lab.ssh("cat /etc/modprobe.d/mine.conf") == MODPROBE
        lab.ssh("rm /etc/modprobe.d/mine.conf")
        good(lab, WISH)
    finally:
        lab.ssh("umount /boot /mnt/small")
