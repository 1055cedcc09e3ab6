"""One box: an overlay over the image, a systemd-nspawn process, an address."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from strixkit.errors import StrixError
from strixkit.sandbox import cgroup, identity, network
from strixkit.sandbox.image import image, install_tools
from strixkit.sandbox.shell import STATE, locked, need_root, run

Report = Callable[[str], None]
BOOT_SECONDS = 60
START_SECONDS = 10
KEPT = "keeper"  # the record of the process that keeps the box
KEEPER = Path(__file__).with_name("keeper.py")
UNIT_OF_NETWORK = "[Match]\nName=host0\n[Network]\nAddress={address}/24\nGateway={gateway}\n"


@dataclass(frozen=True)
class Box:
    """`pid` is that of systemd-nspawn, None when the box is down; `root` is its file system seen from here."""

    name: str
    address: str
    root: Path
    pid: int | None


def _home(name: str) -> Path:
    return STATE / "boxes" / name


def _pid(name: str, record: str = "pid") -> int | None:
    """The box's nspawn process: the recorded pid counts only if that process started when it was recorded."""
    try:
        pid, started = (_home(name) / record).read_text().split()
        process = psutil.Process(int(pid))
        same = f"{process.create_time():.2f}" == started and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return int(pid) if same else None


def _is_kept(name: str) -> bool:
    """Whether the box is up or about to be: it may be between two boots."""
    return _pid(name) is not None or _pid(name, KEPT) is not None


def boxes() -> list[Box]:
    """All boxes that exist, running or not."""
    names = sorted(path.name for path in (STATE / "boxes").glob("box*"))
    return [Box(name, network.address(name), _home(name) / "merged", _pid(name)) for name in names]


def up(names: Sequence[str], *, hardware: Mapping[str, Path] | None = None, client: Path, report: Report) -> list[Box]:
    """Boot boxes, making those that do not exist; returns when each answers on port 22. Raises StrixError."""
    need_root()
    for name in names:
        network.address(name)
    with locked():
        install_tools(report)
        base = image(report)
        network.connect()
        for name in names:
            if not _home(name).is_dir():
                _make(name, base, client, (hardware or {}).get(name))
            identity.accept(client, network.address(name), _home(name) / "upper")
            _boot(name)
    for name in names:
        _wait(name)
    return [box for box in boxes() if box.name in names]


def start(name: str) -> Box:
    """Boot an existing box again, on the file system that it left."""
    need_root()
    with locked():
        network.connect()
        _boot(name)
    _wait(name)
    return next(box for box in boxes() if box.name == name)


def power_cut(name: str) -> None:
    """End a box at once, as if the plug was pulled; its file system stays."""
    need_root()
    keeper = _pid(name, KEPT)
    if keeper is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(keeper).suspend()  # a box that is rebooting must not come up meanwhile
    pid = _pid(name)
    family = list(dict.fromkeys([*_family(keeper), *_family(pid)]))
    if not family:
        return
    # The cable first: a kernel whose processes are killed would still say goodbye on their connections.
    if pid is not None:
        network.unplug(pid)
    # The box's PID 1 takes all of its processes with it when it is killed.
    for process in reversed(family):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=10)
    if _pid(name) is not None:
        raise StrixError(f"{name} does not end", hint=f"see process {pid}")


def _family(pid: int | None) -> list[psutil.Process]:
    """A process and those below it; nobody if it has just ended."""
    try:
        return [] if pid is None else [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def down(names: Sequence[str] | None) -> list[str]:
    """End boxes and remove what they wrote; with the last one go bridge and masquerade. Returns the names."""
    need_root()
    with locked():
        gone = [box.name for box in boxes() if names is None or not names or box.name in names]
        for name in gone:
            power_cut(name)
            _unmount(name)
            _remove_group(name)
            shutil.rmtree(_home(name))
        if not boxes():
            network.disconnect()
    return gone


def _make(name: str, base: Path, client: Path, hardware: Path | None) -> None:
    """Prepare the overlay: address, keys, identity. Built aside and renamed, so that half a box is none."""
    half = STATE / "boxes" / f".{name}"
    shutil.rmtree(half, ignore_errors=True)
    upper = half / "upper"
    (half / "work").mkdir(parents=True)
    (half / "merged").mkdir()
    text = UNIT_OF_NETWORK.format(address=network.address(name), gateway=network.GATEWAY)
    identity.write(upper / "etc/systemd/network/10-host0.network", text)
    identity.write(upper / "etc/hostname", f"{name}\n")
    identity.write(upper / "etc/hosts", f"127.0.0.1 localhost {name}\n")
    shutil.copy("/etc/resolv.conf", upper / "etc/resolv.conf")
    for extra in sorted(Path("/etc/apt/apt.conf.d").glob("*proxy*")):
        (upper / "etc/apt/apt.conf.d").mkdir(parents=True, exist_ok=True)
        shutil.copy(extra, upper / "etc/apt/apt.conf.d" / extra.name)
    if hardware is not None:
        identity.write(upper / "etc/strixkit/facts.d/hardware.json", hardware.read_text())
    identity.host_key(upper)
    identity.authorize(client, upper, base)
    (half / "base").write_text(str(base))
    half.rename(_home(name))


def _boot(name: str) -> None:
    if _is_kept(name):
        return
    home = _home(name)
    merged = home / "merged"
    if not os.path.ismount(merged):
        layers = f"lowerdir={(home / 'base').read_text()},upperdir={home / 'upper'},workdir={home / 'work'}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(merged))
    record = home / "pid"
    record.unlink(missing_ok=True)
    group = cgroup.make(name)
    (home / "cgroup").write_text(str(group))
    with (home / "console.log").open("ab") as console:
        keeper = subprocess.Popen(
            [
                *(*cgroup.ENTER, str(group)),
                *(sys.executable, str(KEEPER), str(record)),
                *("systemd-nspawn", "--quiet", "--boot", f"--directory={merged}", f"--machine=strixkit-{name}"),
                *(f"--network-bridge={network.BRIDGE}", "--register=no", "--keep-unit", "--resolv-conf=off"),
                *("--timezone=off", "--link-journal=no"),
            ],
            env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            cwd="/",
        )
    (home / KEPT).write_text(f"{keeper.pid} {psutil.Process(keeper.pid).create_time():.2f}")
    end = time.monotonic() + START_SECONDS
    while not record.exists() and time.monotonic() < end:
        time.sleep(0.01)


def _wait(name: str) -> None:
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end:
        try:
            with socket.create_connection((network.address(name), 22), timeout=1) as connection:
                connection.settimeout(2)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
        if not _is_kept(name):
            break
    lines = (_home(name) / "console.log").read_text(errors="replace").splitlines()[-15:]
    raise StrixError(f"{name} does not answer on port 22; its console said last:\n  " + "\n  ".join(lines))


def _unmount(name: str) -> None:
    merged = _home(name) / "merged"
    for _ in range(50):
        if not os.path.ismount(merged):
            return
        with contextlib.suppress(StrixError):
            run("umount", str(merged))
        time.sleep(0.1)
    run("umount", "--lazy", str(merged))


def _remove_group(name: str) -> None:
    record = _home(name) / "cgroup"
    if record.exists():
        cgroup.remove(Path(record.read_text()))
