"""Fixtures of the tests that need a machine with its own kernel and boot loader. Skipped, with the reason, otherwise.

machine   one virtual machine for all tests
lab       the same, back in the state of its first boot: a 64 GB box (SIMULATED) on which nothing was deployed
jump_host the lab's machine is reached through an embedded box; returns its address as seen from there
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strixkit.sandbox.network import GATEWAY
from tests import own_ssh
from tests.box.conftest import _own_cache, boxes, client, shaders, tiny_model  # noqa: F401
from tests.vm.image import image, missing_tools
from tests.vm.lab import Lab
from tests.vm.machine import Machine

HARDWARE = Path("strixkit/sandbox/hardware/framework-64gb.json")
FACTS = "/etc/strixkit/facts.d"
BARE = "bare"


@pytest.fixture(scope="package")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("the image of virtual machines is made by root")
    if missing_tools():
        pytest.skip(f"virtual machines need {', '.join(missing_tools())}: python -m tests.vm.image installs them")
    made = image(print)
    machine = Machine(tmp_path_factory.mktemp("vm"), made.disk, made.identity, made.host_key)
    try:
        machine.start()
        machine.ssh(f"mkdir -p {FACTS} && cat > {FACTS}/hardware.json && sync", stdin=HARDWARE.read_text())
        machine.save(BARE)
        yield machine
    finally:
        machine.end()


@pytest.fixture(autouse=True)
def _roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine under software emulation can carry: everything that belongs to its boot, and no server."""
    monkeypatch.setattr("roles.ORDER", ("base", "memory", "kernel"))


@pytest.fixture
def lab(machine: Machine, tiny_model: Path) -> Lab:  # noqa: F811
    machine.load(BARE)
    return Lab(machine, tiny_model)


@pytest.fixture
def jump_host(lab: Lab, boxes, client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811
    [box] = boxes(1)
    lab.machine.forward(GATEWAY)
    config = f"""
Host {GATEWAY}
  ProxyJump jump
Host jump
  HostName {box.address}
  User root
  IdentityFile {client}/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {client}/known_hosts
"""
    monkeypatch.setenv("PATH", own_ssh.write(tmp_path, config)["PATH"])
    return GATEWAY
