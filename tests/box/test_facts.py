"""`invoke facts` on real boxes: as root, as a user with sudo, without root; what is saved is planned with."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from strixkit.fleet import facts as fleet
from strixkit.fleet import verbs
from strixkit.host.facts_file import load_facts
from strixkit.planner.facts import Facts, Gpu, dimm_gib
from strixkit.secret import Secret
from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parents[2]
HARDWARE = ROOT / "strixkit/sandbox/hardware/framework-128gb.json"
SIMULATED_GPU = Gpu.model_validate(json.loads(HARDWARE.read_text())["gpu"])


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


@pytest.fixture(scope="module")
def simulated(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1, HARDWARE)
    return Lab(box, client, tiny_model)


def ask(lab: Lab, *, save: str = "", **changes: object) -> fleet.Known:
    host = lab.host().model_copy(update=changes)
    [found] = fleet.known([host], verbs.Access(lab.password), save=save)
    return found


def facts_of(lab: Lab, **changes: object) -> Facts:
    found = ask(lab, **changes)
    assert found.facts is not None, found.error
    return found.facts


def test_a_box_says_what_it_is(lab: Lab) -> None:
    facts = facts_of(lab)
    assert facts.hostname == lab.box.name
    assert (facts.os.id, facts.package_manager, facts.init) == ("debian", "apt", "systemd")
    assert facts.virtualization == "container"
    assert facts.memory.total_bytes == int(lab.ssh("awk '/^MemTotal/ {print $2}' /proc/meminfo")) * 1024
    assert (facts.boot_id, facts.cmdline, facts.kernel) == tuple(
        lab.ssh(command).strip() for command in ("cat /proc/sys/kernel/random/boot_id", "cat /proc/cmdline", "uname -r")
    )
    assert facts.cores == len(set(lab.ssh("cat /sys/devices/system/cpu/cpu*/topology/core_id").split()))
    assert facts.packages["sudo"] == lab.ssh("dpkg-query --show --showformat='${Version}' sudo")
    assert facts.sudo == lab.ssh("sudo --version | head -n 1").strip()
    assert facts.free_bytes["/"] > 0
    assert facts.simulated == ()


def test_what_changes_on_the_box_changes_its_facts(lab: Lab) -> None:
    lab.ssh("mkdir -p /etc/profile.d /etc/systemd/system.conf.d /usr/share/vulkan/icd.d /opt/rocm-7.2.4/.info")
    lab.ssh("echo 'export HSA_OVERRIDE_GFX_VERSION=11.0.0' > /etc/profile.d/gpu.sh")
    lab.ssh("printf '[Manager]\\nDefaultEnvironment=\"AMD_VULKAN_ICD=RADV\"\\n' > /etc/systemd/system.conf.d/gpu.conf")
    lab.ssh("touch /usr/share/vulkan/icd.d/zz_test.json; echo 7.2.4 > /opt/rocm-7.2.4/.info/version")
    lab.ssh("ln -s rocm-7.2.4 /opt/rocm")
    facts = facts_of(lab)
    assert {(item.path, item.name, item.value) for item in facts.settings} == {
        ("/etc/profile.d/gpu.sh", "HSA_OVERRIDE_GFX_VERSION", "11.0.0"),
        ("/etc/systemd/system.conf.d/gpu.conf", "AMD_VULKAN_ICD", "RADV"),
    }
    assert "/usr/share/vulkan/icd.d/zz_test.json" in facts.icd_files
    assert facts.rocm == {"/opt/rocm-7.2.4": "7.2.4"}


def test_who_has_the_gpu_open_is_seen(lab: Lab) -> None:
    """No GPU is here: /dev/dri/renderD128 is a plain file, which is as good for who reads links."""
    lab.ssh("mkdir -p /dev/dri && touch /dev/dri/renderD128")
    lab.ssh("systemd-run --unit=holder sh -c 'exec 7</dev/dri/renderD128; exec sleep 600'")
    pid = int(lab.ssh("systemctl show -p MainPID --value holder.service"))
    users = facts_of(lab).gpu_users
    lab.ssh("systemctl stop holder.service; rm -r /dev/dri")
    assert [(user.pid, user.command, user.device) for user in users] == [(pid, "sleep", "/dev/dri/renderD128")]


@pytest.mark.parametrize(("user", "password"), [("admin", None), ("operator", Secret("operator"))])
def test_a_user_with_sudo_sees_the_same(lab: Lab, user: str, password: Secret | None) -> None:
    root = facts_of(lab)
    found = facts_of(dataclasses.replace(lab, password=password), user=user)
    volatile = {"memory", "free_bytes"}
    assert found.model_dump(exclude=volatile) == root.model_dump(exclude=volatile)


def test_without_root_what_anybody_may_read_is_told(lab: Lab) -> None:
    guest = facts_of(lab, user="guest", become=False)
    assert guest.hostname == lab.box.name
    assert guest.virtualization == "container"


def test_one_question_is_asked_and_nothing_is_left(lab: Lab) -> None:
    look = "find /var/lib/strixkit /run/strixkit /tmp /etc -newer /proc/1/comm -type f 2>/dev/null | sort"
    before = lab.ssh(look, check=False)
    session = verbs.open_host(lab.host(), verbs.Access())
    try:
        session.request("facts")
        assert session.round_trips == 1
    finally:
        session.close()
    assert lab.ssh(look, check=False) == before


def test_a_box_with_an_identity_says_so(simulated: Lab) -> None:
    facts = facts_of(simulated)
    assert facts.gpu == SIMULATED_GPU
    assert dimm_gib(facts) == 128
    assert facts.simulated == ("gpu", "memory.available_bytes", "memory.total_bytes")
    assert facts.virtualization == "container", "the rest is the machine's own"
    assert facts.cmdline == Path("/proc/cmdline").read_text().strip()


def test_one_host_that_fails_is_a_value(lab: Lab, tmp_path: Path) -> None:
    gone = lab.host().model_copy(update={"name": "gone", "address": "198.18.255.254", "port": 9})
    good, bad = fleet.known([lab.host(), gone], verbs.Access(), save=f"{tmp_path}/")
    assert good.facts is not None
    assert (bad.facts, bad.exit_code, bad.saved) == (None, 1, None)
    assert "198.18.255.254" in bad.error
    assert [path.name for path in tmp_path.iterdir()] == [f"{lab.box.name}.json"]


def test_the_command_line_saves_what_plan_takes(simulated: Lab, tmp_path: Path) -> None:
    """From the box to a plan without it, as a person types it."""
    name, saved = simulated.box.name, tmp_path / "facts.json"
    inventory = tmp_path / "inventory.yaml"
    variables = {
        "ansible_host": simulated.box.address,
        "ansible_user": "admin",
        "ansible_ssh_private_key_file": str(simulated.client / "id_ed25519"),
        "strix_known_hosts": str(simulated.client / "known_hosts"),
        "strix_runtime": "rocmfp4",
        "strix_model": "qwen3.6-27b-mtp",
        "strix_profile": "coding",
    }
    text = json.dumps({"all": {"hosts": {name: variables}}})
    inventory.write_text(text)

    def invoke(*words: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).parent / "invoke"
        command = [program, *words, "--host", name, "--inventory", str(inventory)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    done = invoke("facts", "--save", str(saved))
    assert done.returncode == 0, done.stderr
    assert "128 GiB, inferred from MemTotal and carve-out  SIMULATED" in done.stdout
    assert f"invoke plan --host {name} --facts {saved}" in done.stdout
    facts = load_facts(saved)
    assert facts.gpu == SIMULATED_GPU
    document = json.loads(invoke("facts", "--json").stdout)
    [host] = document["hosts"]
    assert (host["ok"], host["dimm_gib"], host["facts"]["boot_id"]) == (True, 128, facts.boot_id)
    planned = invoke("plan", "--facts", str(saved))
    assert planned.returncode == 0, planned.stderr
    assert "-c 262144" in planned.stdout, "the context that 108 GiB of GTT allow"
    refused = invoke("facts", "--save", str(inventory))
    assert refused.returncode == 2
    assert "is no facts file; it is left as it is" in refused.stderr
    assert inventory.read_text() == text


def test_a_sudo_password_that_is_wrong_is_a_value_too(lab: Lab) -> None:
    host = lab.host().model_copy(update={"user": "operator"})
    [bad] = fleet.known([host], verbs.Access(Secret("wrong")))
    assert (bad.facts, bad.exit_code) == (None, 1)
    assert "wrong password" in bad.error
