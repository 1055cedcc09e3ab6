"""Three boxes by the command line: all at once, twice, and with one that is gone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from strixkit import sandbox
from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def labs(boxes, client: Path, tiny_model: Path) -> list[Lab]:
    return [Lab(box, client, tiny_model) for box in boxes(3)]


@pytest.fixture(scope="module")
def inventory(labs: list[Lab], tmp_path_factory: pytest.TempPathFactory) -> Path:
    hosts = {lab.box.name: {"ansible_host": lab.box.address} for lab in labs}
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(labs[0].client / "id_ed25519"),
        "strix_known_hosts": str(labs[0].client / "known_hosts"),
        "strix_runtime": "debian",
        "strix_environment": {"GGML_VK_VISIBLE_DEVICES": "0"},
        "strix_services": {"main": {"model": "tiny", "source": {"controller": str(labs[0].model)}}},
    }
    path = tmp_path_factory.mktemp("inventory") / "inventory.yaml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}))
    return path


def _invoke(inventory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "invoke"
    return subprocess.run(
        [program, *words, "--inventory", str(inventory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_all_at_once_and_again(labs: list[Lab], inventory: Path) -> None:
    first = _invoke(inventory, "deploy", "--host", "all")
    assert first.returncode == 0, first.stdout + first.stderr
    for lab in labs:
        assert f"{lab.box.name}  FIXED  release:main" in first.stdout
    again = _invoke(inventory, "deploy", "--host", "all")
    assert again.returncode == 0
    said = [line for line in again.stdout.splitlines() if "  note: " not in line]
    assert said == [f"{lab.box.name}  unchanged (2 round trips)" for lab in labs]
    assert _invoke(inventory, "plan", "--host", "all", "--check").returncode == 0


def test_switch_differs_from_the_inventory_until_the_next_deploy(labs: list[Lab], inventory: Path) -> None:
    name = labs[0].box.name
    switched = _invoke(inventory, "switch", "--host", name, "--profile", "general")
    assert switched.returncode == 0, switched.stdout
    assert labs[0].current_profile() == "general"
    assert _invoke(inventory, "audit", "--host", "all", "--check").returncode == 3
    assert _invoke(inventory, "deploy", "--host", name).returncode == 0
    assert labs[0].current_profile() == "coding"


def test_one_that_is_gone_stops_nobody(labs: list[Lab], inventory: Path) -> None:
    sandbox.power_cut(labs[1].box.name)
    try:
        done = _invoke(inventory, "deploy", "--host", "all", "--json")
    finally:
        sandbox.start(labs[1].box.name)
    assert done.returncode == 1
    hosts = json.loads(done.stdout)["hosts"]
    assert [host["ok"] for host in hosts] == [True, False, True]
    assert "cannot be reached" in hosts[1]["error"]


def test_a_lock_is_told_with_75(labs: list[Lab], inventory: Path) -> None:
    lab = labs[2]
    lab.profile = "general"

    def second() -> None:
        done = _invoke(inventory, "deploy", "--host", lab.box.name)
        assert done.returncode == 75
        assert "locked by" in done.stdout
        lab.ssh("touch /run/strixkit/go-on")

    assert lab.deploy(hold_at="0:release:release:main", on_held=second).ok
