"""The image of all boxes: a small Debian by mmdebstrap, made once for each recipe."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from strixkit.sandbox.shell import STATE, run

Report = Callable[[str], None]

SUITE = "forky"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "passwd", "sudo", "python3", "iproute2", "curl"),
    *("ca-certificates", "apt-utils"),
    *("llama.cpp-tools", "libggml0-backend-vulkan", "mesa-vulkan-drivers", "vulkan-tools"),
    *("gcc", "libc6-dev", "libggml-dev"),  # for rehearsals
)
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
}
FINISH = Path(__file__).with_name("finish.sh")


def missing_tools() -> list[str]:
    """Debian packages that this machine lacks for boxes."""
    return lacking(TOOLS)


def lacking(tools: Mapping[str, str]) -> list[str]:
    """The packages of those tools that are not there."""
    return sorted({package for tool, package in tools.items() if shutil.which(tool) is None})


def install_tools(report: Report) -> None:
    """Install what is missing, by apt."""
    install(missing_tools(), report)


def install(packages: Sequence[str], report: Report) -> None:
    """Install Debian packages; nothing is asked of apt when there are none."""
    if packages:
        report(f"installing {', '.join(packages)} (apt-get)")
        run("apt-get", "update")
        run(
            "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends", *packages
        )


def mirror() -> str | None:
    """The Debian mirror that this machine itself uses, or None for mmdebstrap's default."""
    for path in [*sorted(Path("/etc/apt/sources.list.d").glob("*.sources")), Path("/etc/apt/sources.list")]:
        text = path.read_text() if path.is_file() else ""
        found = re.search(r"^(?:URIs:\s*|deb (?:\[[^]]*\] )?)(\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
        if found:
            return found[1]
    return None


def recipe() -> str:
    """Twelve digits that change with anything that shapes the image."""
    return hashlib.sha256(repr((SUITE, PACKAGES, FINISH.read_text())).encode()).hexdigest()[:12]


def image(report: Report, *, rebuild: bool = False) -> Path:
    """Return the image's folder; build it when there is none. A build that breaks leaves nothing that counts."""
    folder = STATE / f"image-{recipe()}"
    if folder.is_dir() and not rebuild:
        return folder
    report(f"building the image of Debian {SUITE} (once, about half a minute)")
    half = STATE / "image-half"
    shutil.rmtree(half, ignore_errors=True)
    source = mirror()
    run(
        *("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f'--customize-hook=chroot "$1" sh < {shlex.quote(str(FINISH))}',
        *(SUITE, str(half), *([source] if source else [])),
    )
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)
    _remove_unused(folder)
    return folder


def _remove_unused(newest: Path) -> None:
    """Remove images of older recipes that no box stands on."""
    used = {path.read_text() for path in (STATE / "boxes").glob("*/base")}
    for folder in STATE.glob("image-*"):
        if folder != newest and str(folder) not in used:
            shutil.rmtree(folder)
