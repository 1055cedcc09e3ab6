"""What the tests of ssh share: an ssh_config of their own, read by the real ssh, and keys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import own_ssh


def _needs_ssh() -> None:
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh, ssh-keygen and ssh-agent (openssh-client)")


@pytest.fixture
def write_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the ssh_config that `ssh` reads in this test."""

    _needs_ssh()

    def write(text: str) -> None:
        monkeypatch.setenv("PATH", own_ssh.write(tmp_path, text)["PATH"])

    return write


@pytest.fixture
def make_key(tmp_path: Path) -> Callable[..., Path]:
    """Makes a private key with its .pub beside it."""

    _needs_ssh()

    def make(name: str, *, passphrase: str = "") -> Path:
        path = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path], check=True)
        return path

    return make
