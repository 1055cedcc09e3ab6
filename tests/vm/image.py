"""The disk of all machines: a Debian 13 with its own kernel and GRUB, made once for each recipe.

mmdebstrap makes the system, `mke2fs -d` the file system, without loop devices. GRUB is installed by grub-install on the
machine itself, which for this once is given its kernel from outside. `python -m tests.vm.image` builds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from strixkit.errors import StrixError
from strixkit.sandbox.image import install, lacking, mirror
from strixkit.sandbox.shell import STATE, locked, need_root, run
from tests.vm.machine import Machine

Report = Callable[[str], None]

SUITE = "trixie"
PACKAGES = (
    *("linux-image-cloud-amd64", "grub-pc", "initramfs-tools", "zstd", "e2fsprogs", "kmod", "udev"),
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "passwd", "sudo", "python3", "iproute2", "ca-certificates"),
    "tuned",
)
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
}
FINISH = Path(__file__).with_name("finish.sh")
MIB = 1 << 20
DISK_MIB = 2048
GAP_MIB = 1  # before the partition: where grub-install puts GRUB's core
ACCOUNTS = {"root": "root", "admin": "home/admin", "operator": "home/operator"}
HOST_KEY = "etc/ssh/ssh_host_ed25519_key.pub"
FIRST_BOOT_SECONDS = 900


@dataclass(frozen=True)
class Image:
    """A folder with the disk, the key that may log in to it, and the machine's host key."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The base of all machines' disks; never written to."""
        return self.folder / "disk.qcow2"

    @property
    def identity(self) -> Path:
        """The private key."""
        return self.folder / "id_ed25519"

    @property
    def host_key(self) -> str:
        """Kind and key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])


def missing_tools() -> list[str]:
    """Debian packages that this machine lacks for virtual machines."""
    return lacking(TOOLS)


def recipe() -> str:
    """Twelve digits that change with anything that shapes the image."""
    parts = (SUITE, PACKAGES, DISK_MIB, GAP_MIB, FINISH.read_text())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def image(report: Report) -> Image:
    """The image; built when there is none. A build that breaks leaves nothing that counts. Raises StrixError."""
    need_root()
    with locked("vm-lock"):
        folder = STATE / f"vm-{recipe()}"
        if not folder.is_dir():
            report(f"building the disk of a virtual Debian {SUITE} (once, about two minutes)")
            half = STATE / "vm-half"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir(parents=True, mode=0o700)
            _build(half)
            half.rename(folder)
            _remove_unused(folder)
        _lock(folder, fcntl.LOCK_SH)
        return Image(folder)


def _remove_unused(newest: Path) -> None:
    """Remove images of other recipes with which no test works at the moment."""
    for folder in STATE.glob("vm-*/"):
        if folder != newest:
            with contextlib.suppress(BlockingIOError):
                _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)


def _lock(folder: Path, how: int) -> None:
    """Until this process ends: who works with an image holds a shared lock on its folder."""
    fcntl.flock(os.open(folder, os.O_RDONLY), how)


def _build(half: Path) -> None:
    root = half / "root"
    source = mirror()
    run(
        *("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f'--customize-hook=chroot "$1" sh < {shlex.quote(str(FINISH))}',
        *(SUITE, str(root), *([source] if source else [])),
    )
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "strixkit vm", "-f", str(half / "id_ed25519"))
    _authorize(root, (half / "id_ed25519.pub").read_text())
    shutil.copy(root / HOST_KEY, half / "host_key.pub")
    [kernel], [initrd] = root.glob("boot/vmlinuz-*"), root.glob("boot/initrd.img-*")
    shutil.copy(kernel, half / "vmlinuz")
    shutil.copy(initrd, half / "initrd")
    _make_disk(root, half / "disk.qcow2")
    shutil.rmtree(root)
    _install_grub(Image(half))


def _authorize(root: Path, key: str) -> None:
    for user, home in ACCOUNTS.items():
        folder = root / home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text(key)
        run("chroot", str(root), "chown", "-R", f"{user}:", f"/{home}/.ssh")


def _make_disk(root: Path, disk: Path) -> None:
    raw = disk.with_suffix(".raw")
    with raw.open("wb") as handle:
        handle.truncate(DISK_MIB * MIB)
    run("sfdisk", "--quiet", str(raw), stdin=f"label: dos\nstart={GAP_MIB}MiB, type=83, bootable\n")
    place = f"offset={GAP_MIB * MIB},lazy_itable_init=0"
    size = f"{(DISK_MIB - GAP_MIB) * 1024}k"
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", place, "-d", str(root), str(raw), size)
    run("qemu-img", "convert", "-O", "qcow2", str(raw), str(disk))
    raw.unlink()


def _install_grub(half: Image) -> None:
    kernel = ("-kernel", str(half.folder / "vmlinuz"), "-initrd", str(half.folder / "initrd"))
    arguments = ("-append", "root=LABEL=root ro quiet console=ttyS0")
    machine = Machine(half.folder / "first", half.disk, half.identity, half.host_key, overlay=False)
    try:
        machine.start(*kernel, *arguments, seconds=FIRST_BOOT_SECONDS)
        machine.ssh("grub-install /dev/vda && update-grub && sync && systemctl poweroff", seconds=FIRST_BOOT_SECONDS)
        machine.wait_for_end()
    finally:
        machine.end()
    shutil.rmtree(machine.folder)


def main() -> int:
    """Install the tools and build the image; for bin/test."""
    try:
        need_root()
        with locked():
            install(missing_tools(), print)
        print(image(print).folder)
    except StrixError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
