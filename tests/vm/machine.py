"""One virtual machine: a QEMU process, its disk, its console, and ways to look at it and to hurt it.

The network is QEMU's own (user mode): a port of this machine's loopback leads to the guest's sshd.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

from strixkit.sandbox.shell import run
from tests.vm.qmp import Qmp, QmpError

BOOT_SECONDS = 600
MEMORY_MIB = 768
# The plainest CPU boots fastest in software: what newer ones can do must be emulated. No AMD virtualisation: it would
# load KVM inside.
HARDWARE = ("-machine", "pc", "-cpu", "qemu64,-svm", "-smp", "1", "-m", str(MEMORY_MIB), "-accel", "tcg")
QUIET = ("-nodefaults", "-display", "none", "-no-user-config")
LOOPBACK = "127.0.0.1"


class Machine:
    """A machine on an overlay over `disk`, or on the disk itself. `folder` is its own."""

    def __init__(self, folder: Path, disk: Path, identity: Path, host_key: str, *, overlay: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.identity = identity
        self.port = _free_port()
        self.console = folder / "console.log"
        self.known_hosts = folder / "known_hosts"
        self._host_key = host_key
        self._knows(LOOPBACK)
        self._disk = disk
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._kept: set[str] = set()
        if overlay:
            self._disk = folder / "disk.qcow2"
            run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk), "-F", "qcow2", str(self._disk))

    def start(self, *extra: str, seconds: float = BOOT_SECONDS) -> None:
        """Switch it on; returns when its sshd answers. Raises AssertionError with the end of the console."""
        self.switch_on(*extra)
        self.wait(seconds)

    def switch_on(self, *extra: str) -> None:
        """Start QEMU. It ends with the thread that called this, however that ends."""
        socket_path = self.folder / "qmp"
        socket_path.unlink(missing_ok=True)
        drive = f"file={self._disk},if=virtio,format=qcow2,cache=writeback"
        forward = f"user,id=wire,restrict=on,hostfwd=tcp:{LOOPBACK}:{self.port}-:22"
        with (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *HARDWARE, *QUIET),
                    *("-drive", drive, "-netdev", forward, "-device", "virtio-net-pci,netdev=wire,romfile="),
                    *("-device", "virtio-rng-pci", "-qmp", f"unix:{socket_path},server=on,wait=off"),
                    *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
                    *extra,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the test, which ends the machine
            )
        self._qmp = Qmp(socket_path)

    def wait(self, seconds: float = BOOT_SECONDS) -> None:
        """Return when its sshd answers."""
        end = time.monotonic() + seconds
        while not self._answers():
            if not self.alive or time.monotonic() > end:
                raise AssertionError(f"the machine does not answer on ssh; its console said last:\n{self.said()}")
            time.sleep(0.2)

    @property
    def alive(self) -> bool:
        """Whether QEMU runs."""
        return self._process is not None and self._process.poll() is None

    def said(self, lines: int = 15) -> str:
        """The end of its console."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def save(self, name: str) -> None:
        """Keep memory and disk as they are at this moment."""
        self._monitor(f"savevm {name}")
        self._kept.add(name)

    def kept(self, name: str) -> bool:
        """Whether there is such a moment."""
        return name in self._kept

    def load(self, name: str) -> None:
        """Go back to a moment that was kept; also a machine that is off."""
        if not self.alive:
            self.switch_on("-S")
        self._monitor(f"loadvm {name}")
        self.qmp.execute("cont")
        self.wait(30)

    def cut_power(self) -> None:
        """Power is lost and comes back: what was not yet written to the disk is gone. Returns when it has booted."""
        self.end()
        self.start()

    def stays_off(self) -> None:
        """The next reboot ends the machine instead, as if it did not come up any more."""
        self.qmp.execute("set-action", reboot="shutdown")

    def forward(self, address: str) -> None:
        """Let the same port of another address of this machine lead to it as well."""
        self._monitor(f"hostfwd_add wire tcp:{address}:{self.port}-:22")
        self._knows(address)

    def wait_for_end(self, seconds: float = 120) -> None:
        """Return when it has switched itself off."""
        assert self._process is not None
        self._process.wait(seconds)

    def end(self) -> None:
        """End QEMU, if it runs."""
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ssh(self, command: str, *, check: bool = True, seconds: float = 120, stdin: str | None = None) -> str:
        """Run a shell line as root by the system's own ssh."""
        done = subprocess.run(
            ["ssh", *self.options(), "-p", str(self.port), f"root@{LOOPBACK}", command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def options(self) -> list[str]:
        """The options of ssh that make it use this machine's keys only."""
        return [
            *("-i", str(self.identity), "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "ConnectTimeout=30"),
            # A machine that goes down may say nothing of it.
            *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
        ]

    @property
    def qmp(self) -> Qmp:
        """The monitor of a machine that is on."""
        if self._qmp is None:
            raise QmpError("the machine is off")
        return self._qmp

    def _knows(self, address: str) -> None:
        with self.known_hosts.open("a") as handle:
            handle.write(f"[{address}]:{self.port} {self._host_key}\n")

    def _monitor(self, line: str) -> None:
        said = self.qmp.human(line)
        if said:
            raise QmpError(f"{line}: {said}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=5) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
