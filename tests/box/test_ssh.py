"""ssh as the user has set it up: aliases, jump hosts, trust."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def pair(boxes, client: Path, tiny_model: Path) -> tuple[Lab, Lab]:
    near, far = boxes(2)
    return Lab(near, client, tiny_model), Lab(far, client, tiny_model)


def _home(folder: Path, client: Path, config: str) -> dict[str, str]:
    """A home directory with this ssh_config; keys and known_hosts are the boxes'."""
    (folder / ".ssh").mkdir(mode=0o700)
    (folder / ".ssh/config").write_text(config)
    (folder / ".ssh/known_hosts").write_text((client / "known_hosts").read_text())
    return {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}


def _inventory(folder: Path, host: str, **extra: str) -> Path:
    lines = "".join(f"\n      {key}: {value}" for key, value in extra.items())
    path = folder / "inventory.yaml"
    path.write_text(f"all:\n  hosts:\n    {host}:\n      strix_runtime: debian\n      strix_model: tiny{lines}\n")
    return path


def _invoke(environment: dict[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "invoke"
    return subprocess.run(
        [program, *words],
        cwd=ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_alias_and_jump_host_of_ssh_config(pair: tuple[Lab, Lab], tmp_path: Path) -> None:
    near, far = pair
    key = near.client / "id_ed25519"
    config = (
        f"Host near\n  HostName {near.box.address}\n  User root\n  IdentityFile {key}\n"
        f"Host far\n  HostName {far.box.address}\n  User root\n  IdentityFile {key}\n  ProxyJump near\n"
    )
    environment = _home(tmp_path, near.client, config)
    (tmp_path / "cache/strixkit/models").mkdir(parents=True)
    (tmp_path / "cache/strixkit/models/tiny.gguf").write_bytes(near.model.read_bytes())
    (tmp_path / ".cache").symlink_to("cache")
    done = _invoke(environment, "plan", "--host", "far", "--inventory", str(_inventory(tmp_path, "far")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "release:main" in done.stdout
    # The connection to the far box came from the near one.
    assert f"from {near.box.address}" in far.ssh(
        "journalctl --no-pager -t sshd-session -t sshd | grep Accepted | tail -2"
    )


def test_unknown_key_of_a_jump_host_is_refused_too(pair: tuple[Lab, Lab], tmp_path: Path) -> None:
    near, far = pair
    key = near.client / "id_ed25519"
    config = (
        f"Host near\n  HostName {near.box.address}\n  User root\n  IdentityFile {key}\n"
        f"Host far\n  HostName {far.box.address}\n  User root\n  IdentityFile {key}\n  ProxyJump near\n"
    )
    environment = _home(tmp_path, near.client, config)
    known = (near.client / "known_hosts").read_text().splitlines()
    only_far = [line for line in known if line.startswith(far.box.address)]
    (tmp_path / ".ssh/known_hosts").write_text("\n".join(only_far) + "\n")
    (tmp_path / ".cache/strixkit/models").mkdir(parents=True)
    (tmp_path / ".cache/strixkit/models/tiny.gguf").write_bytes(near.model.read_bytes())
    done = _invoke(environment, "plan", "--host", "far", "--inventory", str(_inventory(tmp_path, "far")))
    assert done.returncode == 1
    assert f"the host key of {near.box.address} is not in known_hosts" in done.stdout


def test_trust_asks_and_then_the_host_is_known(pair: tuple[Lab, Lab], tmp_path: Path) -> None:
    near = pair[0]
    environment = _home(tmp_path, near.client, "")
    known = tmp_path / "known"
    inventory = _inventory(
        tmp_path,
        "strange",
        ansible_host=near.box.address,
        ansible_user="root",
        ansible_ssh_private_key_file=str(near.client / "id_ed25519"),
        strix_known_hosts=str(known),
    )
    (tmp_path / ".ssh/known_hosts").unlink()
    no = _invoke(environment, "trust", "--host", "strange", "--inventory", str(inventory), stdin="no\n")
    assert no.returncode == 1
    assert not known.exists()
    yes = _invoke(environment, "trust", "--host", "strange", "--inventory", str(inventory), stdin="yes\n")
    assert yes.returncode == 0, yes.stdout + yes.stderr
    fingerprint = near.ssh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert fingerprint in yes.stdout
    journal = _invoke(environment, "journal", "--host", "strange", "--inventory", str(inventory))
    assert journal.returncode == 0, journal.stdout + journal.stderr
