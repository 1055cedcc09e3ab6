"""The doctor on a real box: without a service, with one, as root, by sudo, and as a user who may not be root.

The boxes' GPU is SIMULATED and their Vulkan is lavapipe, which computes on the CPU. The service's server really lists
no other device, so cpu-fallback fails here, and says that nothing else was to be expected.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from strixkit.config.host import Host
from strixkit.doctor.check import Finding, Verdict
from strixkit.doctor.diagnosis import request
from strixkit.fleet import verbs
from strixkit.fleet.doctor import examine
from strixkit.secret import Secret
from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parent.parent.parent
HARDWARE = ROOT / "strixkit/sandbox/hardware/framework-128gb.json"
UNIT = "llama-server-main.service"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
# What looking may write: the box's own logs of who logged in, and of what tuned or sudo were asked.
LOGS = ("/var/log/", "/var/lib/systemd/", "/run/", "/tmp", "/var/tmp", "/dev/", "/proc/", "/sys/")


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1, HARDWARE)
    return Lab(box, client, tiny_model)


def _look(lab: Lab, host: Host | None = None, password: str | None = None) -> dict[str, Finding]:
    [found] = examine([host or lab.host()], verbs.Access(Secret(password) if password else None))
    assert found.error == ""
    return {finding.id: finding for finding in found.findings}


def _verdicts(found: dict[str, Finding], verdict: Verdict) -> set[str]:
    return {name for name, finding in found.items() if finding.verdict is verdict}


NO_SERVICE = {
    "rocm-mmap", "gpu-access", "cpu-fallback", "device-named", "wrong-logits", "rocm-memory-in-use", "idle-gpu",
    "gpu-probe",
}  # fmt: skip
# A container has no kernel, no firmware and no power settings of its own; and this one needs no ROCm.
CONTAINER = {
    "gtt-limit", "lockup-timeout", "kernel-arguments", "firmware-mes", "amdgpu-dkms", "speed", "kfd-cwsr",
    "rocm-packages", "build-tools",
}  # fmt: skip


def test_a_box_without_a_service(lab: Lab) -> None:
    found = _look(lab)
    assert len(found) == 25
    assert _verdicts(found, Verdict.FAIL) == set()
    assert _verdicts(found, Verdict.SKIP) >= NO_SERVICE | CONTAINER
    assert found["gpu-access"].seen == ("there is no user llama",)
    assert found["cpu-fallback"].seen == ("no service is deployed",)
    assert found["ports"].seen == ("port 8080: free",)
    assert found["bios-carveout"].verdict is Verdict.PASS
    assert "gpu" in found["bios-carveout"].simulated
    assert found["sudo-rs"].verdict is Verdict.PASS


def test_one_question_for_all(lab: Lab) -> None:
    session = verbs.open_host(lab.host(), verbs.Access())
    try:
        answer = session.request("examine", **request(lab.host()))
        assert session.round_trips == 1
    finally:
        session.close()
    assert answer["evidence"]["silent"] == []
    assert not [why for why in answer["evidence"]["unread"].values() if "Error" in why], answer["evidence"]["unread"]


def test_by_sudo_as_by_root(lab: Lab) -> None:
    as_root = _look(lab)
    for user, password in (("admin", None), ("operator", "operator")):
        found = _look(lab, dataclasses.replace(lab, user=user).host(), password)
        assert {name: item.verdict for name, item in found.items()} == {n: i.verdict for n, i in as_root.items()}


@pytest.fixture(scope="module")
def deployed(lab: Lab) -> Lab:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    return lab


def test_a_service_that_computes_on_the_cpu_fails(deployed: Lab) -> None:
    found = _look(deployed)
    assert _verdicts(found, Verdict.FAIL) == {"cpu-fallback"}
    seen = found["cpu-fallback"].seen[0]
    assert "as user llama: Vulkan0 is software on the CPU, llvmpipe" in seen
    assert "SIMULATED" in seen
    assert found["cpu-fallback"].simulated
    assert found["device-named"].seen == (f"{UNIT}: -dev Vulkan0",)
    assert found["ports"].seen == ("port 8080: the service",)
    assert found["gpu-access"].seen == ("there is no /dev/dri/renderD*: the GPU is SIMULATED",)


def test_looking_writes_nothing(deployed: Lab) -> None:
    deployed.ssh("touch /run/before && sleep 1.1")
    _look(deployed)
    changed = deployed.ssh("find / -xdev -newer /run/before ! -type d 2>/dev/null; find /var/cache -newer /run/before")
    assert [path for path in changed.splitlines() if not path.startswith(LOGS)] == []


def test_who_may_not_be_root_is_told_what_was_not_read(deployed: Lab) -> None:
    """`ansible_become: false`: the doctor looks all the same, and nothing that it cannot see is called good."""
    guest = dataclasses.replace(deployed, user="guest").host().model_copy(update={"become": False})
    found, as_root = _look(deployed, guest), _look(deployed)
    assert found["cpu-fallback"].verdict is Verdict.SKIP
    assert any("only root may read what a service's binary lists" in seen for seen in found["cpu-fallback"].seen)
    assert any("only root may try it as user llama" in seen for seen in found["gpu-access"].seen)
    assert any("only root may read the kernel's log" in seen for seen in found["lockup-timeout"].seen)
    assert any("only root" in seen for seen in found["firmware-mes"].seen)
    assert found["ports"].seen == ("port 8080: only root sees whether it is the service's",)
    assert found["memory-headroom"].seen[0] == "only root sees who has the GPU open"
    assert found["device-named"].verdict is Verdict.PASS
    better = {name for name, item in found.items() if item.verdict is Verdict.PASS} - _verdicts(as_root, Verdict.PASS)
    assert better == set()


def test_what_is_wrong_with_a_unit(deployed: Lab) -> None:
    """Real systemd, a drop-in that a person may have written, and a process that runs with it."""
    lines = (
        r"[Service]\nPrivateDevices=yes\nEnvironment=HSA_OVERRIDE_GFX_VERSION=11.0.0 VK_DRIVER_FILES=/nowhere.json\n"
    )
    deployed.ssh(f"mkdir -p $(dirname {DROP_IN}) && printf '{lines}' > {DROP_IN} && systemctl daemon-reload")
    try:
        deployed.ssh(f"systemctl stop {UNIT}; systemctl start --no-block {UNIT}; sleep 1; systemctl stop {UNIT}")
        found = _look(deployed)
    finally:
        deployed.ssh(f"rm {DROP_IN}; systemctl daemon-reload; systemctl reset-failed {UNIT}; systemctl start {UNIT}")
    assert f"{UNIT} has PrivateDevices=yes, which hides the GPU" in found["gpu-access"].seen
    assert found["gpu-access"].verdict is Verdict.FAIL
    assert found["hsa-override"].verdict is Verdict.FAIL
    assert any("names /nowhere.json as Vulkan's driver" in seen for seen in found["cpu-fallback"].seen)
    assert found["idle-gpu"].seen == ("no service runs, so there is nothing to be idle",)


def test_the_environment_is_that_of_the_process(deployed: Lab) -> None:
    """systemd's own configuration sets a variable for all units; only the process shows it."""
    conf = "/run/systemd/system.conf.d/test.conf"
    text = r"[Manager]\nDefaultEnvironment=HSA_OVERRIDE_GFX_VERSION=11.0.0\n"
    deployed.ssh(f"mkdir -p $(dirname {conf}) && printf '{text}' > {conf} && systemctl daemon-reexec")
    try:
        deployed.ssh(f"systemctl restart {UNIT}")
        found = _look(deployed)["hsa-override"]
    finally:
        deployed.ssh(f"rm {conf}; systemctl daemon-reexec; systemctl restart {UNIT}")
    assert found.verdict is Verdict.FAIL
    assert any(f"{UNIT} runs with HSA_OVERRIDE_GFX_VERSION=11.0.0" in seen for seen in found.seen)


def test_another_server_on_the_port(deployed: Lab) -> None:
    deployed.ssh(f"systemctl stop {UNIT}")
    deployed.ssh("systemd-run -q --unit=squatter python3 -m http.server 8080; sleep 1")
    try:
        found = _look(deployed)["ports"]
    finally:
        deployed.ssh(f"systemctl stop squatter; systemctl start {UNIT}")
    assert found.verdict is Verdict.FAIL
    assert found.seen[0].startswith("port 8080 of service main is taken by python3 (")


def _invoke(lab: Lab, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    host = {
        "ansible_host": lab.box.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.client / "id_ed25519"),
        "strix_known_hosts": str(lab.client / "known_hosts"),
        "strix_runtime": "debian",
        "strix_model": "tiny",
    }
    gone = {**host, "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = folder / "inventory.yaml"
    inventory.write_text(json.dumps({"all": {"hosts": {lab.box.name: host, "gone": gone}}}))
    program = Path(sys.executable).parent / "invoke"
    command = [program, "doctor", "--inventory", inventory, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_line(deployed: Lab, tmp_path: Path) -> None:
    done = _invoke(deployed, tmp_path, "--host", deployed.box.name)
    assert done.returncode == 2, done.stderr
    assert "  FAIL cpu-fallback [SIMULATED]: Does each service compute on the GPU?" in done.stdout
    assert "SIMULATED facts (from /etc/strixkit/facts.d)" in done.stdout
    done = _invoke(deployed, tmp_path, "--host", f"gone,{deployed.box.name}", "--json")
    assert done.returncode == 2
    hosts = {item["host"]: item for item in json.loads(done.stdout)["hosts"]}
    assert hosts["gone"]["findings"] == []
    assert hosts["gone"]["exit_code"] == 1
    assert len(hosts[deployed.box.name]["findings"]) == 25
    assert _invoke(deployed, tmp_path, "--host", "gone").returncode == 1
