"""Differences between a box and the wishes: what is in the way, what needs a restart and what must not have one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from strixkit.config.host import Host, Service
from strixkit.config.source import ModelSource
from strixkit.engine.events import ignore
from strixkit.errors import InputError
from strixkit.fleet import verbs
from strixkit.host import cache
from strixkit.remote.bundle import bundle
from strixkit.resources.base import Change, Risk
from tests.box.lab import Lab

pytestmark = pytest.mark.box

ROOT = Path(__file__).parents[2]
UNIT = "llama-server-main.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/x.conf"
KEY = "/etc/strixkit/credentials/main.key"
ON_BOX = "/srv/own.gguf"
FORK = "/opt/rocmfp4-llama/build-strix-rocmfp4/bin/llama-server"


@dataclass
class OtherSource(Lab):
    """A lab whose model comes from elsewhere."""

    source: ModelSource | None = None

    def host(self) -> Host:
        service = Service(profile=self.profile, model="tiny", source=self.source)
        return super().host().model_copy(update={"services": {"main": service}})


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    """Deployed to a box whose administrator keeps the models on another disk."""
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    lab.ssh("mkdir -p /data/models /var/lib/strixkit && ln -s /data/models /var/lib/strixkit/models")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.remaining)
    return lab


@pytest.fixture
def satisfied(lab: Lab) -> Lab:
    """Each test begins and ends with nothing to do."""
    assert lab.deploy().changes == []
    return lab


def _from(lab: Lab, source: ModelSource) -> OtherSource:
    return OtherSource(lab.box, lab.client, lab.model, source=source)


def _pid(lab: Lab) -> str:
    return lab.ssh(f"systemctl show -p MainPID --value {UNIT}").strip()


def _planned(lab: Lab) -> list[Change]:
    return verbs.plan(lab.host(), verbs.Access(), ignore, profiles={}).changes


def _drop_in(lab: Lab, text: str, *, reload: bool = True) -> None:
    lab.ssh(f"mkdir -p $(dirname {DROP_IN}) && cat > {DROP_IN}", stdin=f"[Service]\n{text}\n")
    if reload:
        lab.ssh("systemctl daemon-reload")


def test_models_may_lie_behind_a_link(satisfied: Lab) -> None:
    assert satisfied.ssh("readlink /var/lib/strixkit/models").strip() == "/data/models"
    assert satisfied.ssh("ls /data/models").strip().endswith(".gguf")
    satisfied.ssh("chmod 777 /data/models")
    [change] = satisfied.deploy().changes
    assert (change.field, change.found) == ("mode", "0777")
    assert satisfied.ssh("stat -c %a /data/models").strip() == "755"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("touch {}", "is a file, wanted a directory"),
        ("mknod {} c 1 3", "is a device, wanted a directory"),
        ("ln -s /data/models {} && chown -h guest {}", "is a symlink that belongs to guest, wanted a directory"),
        ("ln -s /nowhere {}", "is a symlink to /nowhere, which is not there, wanted a directory"),
    ],
)
def test_what_is_in_the_way_is_refused_before_anything_is_done(satisfied: Lab, make: str, words: str) -> None:
    path, pid = "/var/lib/strixkit/models", _pid(satisfied)
    changed = dataclasses.replace(satisfied, profile="general", events=[])
    satisfied.ssh(f"mv {path} {path}.kept && {make.format(path, path)}")
    try:
        with pytest.raises(InputError) as caught:
            changed.deploy()
    finally:
        satisfied.ssh(f"rm {path} && mv {path}.kept {path}")
    assert f"{path} {words}" in str(caught.value)
    assert "nothing was touched" in str(caught.value)
    assert caught.value.host == satisfied.box.name
    assert changed.points() == []
    assert _pid(satisfied) == pid


def test_enabling_restarts_nothing(satisfied: Lab) -> None:
    pid = _pid(satisfied)
    satisfied.ssh(f"systemctl disable {UNIT} 2>/dev/null")
    outcome = satisfied.deploy()
    assert outcome.ok
    assert [(change.field, change.risk) for change in outcome.changes] == [("enabled", Risk.NONE)]
    assert satisfied.ssh(f"systemctl is-enabled {UNIT}").strip() == "enabled"
    assert _pid(satisfied) == pid


def test_files_that_systemd_has_not_read_are_a_reload(satisfied: Lab) -> None:
    pid = _pid(satisfied)
    _drop_in(satisfied, "OOMScoreAdjust=-100", reload=False)
    outcome = satisfied.deploy()
    assert outcome.ok
    assert [(change.field, change.risk) for change in outcome.changes] == [("loaded", Risk.RELOAD)]
    assert _pid(satisfied) == pid
    assert satisfied.deploy().changes == [], "a drop-in by the administrator is legitimate"
    satisfied.ssh(f"rm -r $(dirname {DROP_IN}) && systemctl daemon-reload")


def test_other_arguments_by_a_drop_in_are_seen(satisfied: Lab) -> None:
    """Unit file, digest and manifest are as wished; only the process tells."""
    line = next(line for line in satisfied.ssh(f"cat /etc/systemd/system/{UNIT}").splitlines() if "ExecStart=" in line)
    _drop_in(satisfied, f"ExecStart=\n{line.replace('--temp 0.6', '--temp 0.9')}")
    satisfied.ssh(f"systemctl restart {UNIT}")
    try:
        [change] = _planned(satisfied)
        assert (change.field, change.risk) == ("process", Risk.RESTART)
        assert "runs other arguments: --temp 0.9" in change.found
        assert DROP_IN in change.found
        assert change.wanted == "--temp 0.6"
    finally:
        satisfied.ssh(f"rm -r $(dirname {DROP_IN}) && systemctl daemon-reload")
    outcome = satisfied.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert [change.field for change in outcome.changes] == ["process"]


def test_a_replaced_key_is_a_restart(satisfied: Lab) -> None:
    pid = _pid(satisfied)
    satisfied.ssh(f"echo sk-mine > {KEY}")
    outcome = satisfied.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert [(change.field, change.found) for change in outcome.changes] == [
        ("process", "was started with another API key")
    ]
    assert _pid(satisfied) != pid
    assert verbs.api_key(satisfied.host(), verbs.Access(), service="main").reveal() == "sk-mine"
    assert satisfied.chat()["choices"]
    assert "sk-mine" not in satisfied.ssh("cat /var/lib/strixkit/journal.jsonl")


@pytest.mark.parametrize(("text", "stays"), [("\\n", False), ("sk-a\\nsk-b\\n", False), ("sk-crlf\\r\\n", True)])
def test_what_is_no_key_is_replaced_and_loaded_in_one_run(satisfied: Lab, text: str, stays: bool) -> None:
    satisfied.ssh(f"printf '{text}' > {KEY}")
    outcome = satisfied.deploy()
    assert outcome.ok, (outcome.error, outcome.remaining)
    assert [change.field for change in outcome.changes] == ["content", "process"]
    key = verbs.api_key(satisfied.host(), verbs.Access(), service="main").reveal()
    assert (key == "sk-crlf") is stays
    assert satisfied.chat()["choices"]


def test_a_model_replaced_on_the_box_is_loaded(satisfied: Lab) -> None:
    """Nobody has recorded a hash of it: the file itself must tell."""
    satisfied.ssh(f"cp $(ls /data/models/*.gguf | head -1) {ON_BOX}")
    own = _from(satisfied, ModelSource(box=ON_BOX))
    assert own.deploy().ok
    assert own.deploy().changes == []
    satisfied.ssh(f"cp {ON_BOX} {ON_BOX}.new && mv {ON_BOX}.new {ON_BOX}")
    before = own.current()
    outcome = own.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    assert {"release", "model"} <= {change.field for change in outcome.changes}
    assert own.running() == own.current() != before
    assert satisfied.deploy().ok


def test_a_model_with_another_hash_touches_no_service(satisfied: Lab, tiny_model: Path) -> None:
    pid = _pid(satisfied)
    satisfied.ssh(f"cp $(ls /data/models/*.gguf | head -1) {ON_BOX}")
    outcome = _from(satisfied, ModelSource(box=ON_BOX, sha256="a" * 64)).deploy()
    assert not outcome.ok
    assert f"{ON_BOX} has sha256 {cache.sha256(tiny_model)}, wanted {'a' * 64}" in outcome.error
    with pytest.raises(InputError, match=f"wanted {'b' * 64}"):
        _from(satisfied, ModelSource(controller=str(tiny_model), sha256="b" * 64)).deploy()
    assert _pid(satisfied) == pid


def test_a_broken_runtime_is_told_and_asked_again_when_it_is_mended(satisfied: Lab) -> None:
    """The fork's binary before its libraries are there; then it answers, and not as root."""
    script = "#!/bin/sh\necho 'error while loading shared libraries: libamdhip64.so.7' >&2\nexit 127\n"
    satisfied.ssh(f"mkdir -p $(dirname {FORK}) && cat > {FORK} && chmod 755 {FORK}", stdin=script)
    fork = dataclasses.replace(satisfied, runtime="rocmfp4-path", events=[])
    with pytest.raises(InputError) as caught:
        fork.deploy()
    assert f"{FORK} --help failed (exit 127): error while loading shared libraries" in caught.value.message
    session = verbs.open_host(fork.host(), verbs.Access())
    try:
        assert "libamdhip64" in session.request("facts", runtime=FORK, known=[])["runtime"]["error"]
        mended = '#!/bin/sh\necho "-m, --model FNAME  $(id -un) $(id -Gn)"\n'
        satisfied.ssh(f"cat > {FORK}", stdin=mended)
        assert session.request("facts", runtime=FORK, known=[])["runtime"]["help"].split()[3:] == ["nobody", "nogroup"]
        satisfied.ssh(f"chmod 700 {FORK}")
        assert "user nobody may not run" in session.request("facts", runtime=FORK, known=[])["runtime"]["error"]
    finally:
        session.close()
        satisfied.ssh("rm -r /opt/rocmfp4-llama")


def test_the_log_of_a_unit_has_what_systemd_says_of_it(satisfied: Lab) -> None:
    """`oom-kill` is said by PID 1, not by the server; another kind of end is said in the same place."""
    (satisfied.box.root / "root/agent.zip").write_bytes(bundle())
    ends = "import os; print('own words', flush=True); os.kill(os.getpid(), 9)"
    satisfied.ssh(f'systemd-run --quiet --unit=ends -r python3 -c "{ends}"; sleep 1')
    code = (
        "import sys; sys.path.insert(0, '/root/agent.zip')\n"
        "from strixkit.remote.agent import systemd\n"
        "print('\\n'.join(systemd.log_tail('ends.service')))"
    )
    lines = satisfied.ssh("python3 -I -", stdin=code).splitlines()
    satisfied.ssh("systemctl reset-failed ends.service; rm /root/agent.zip")
    assert "own words" in lines
    assert "ends.service: Failed with result 'signal'." in lines


@pytest.fixture
def inventory(lab: Lab, tmp_path: Path) -> Path:
    variables = {
        "ansible_host": lab.box.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.client / "id_ed25519"),
        "strix_known_hosts": str(lab.client / "known_hosts"),
        "strix_runtime": "debian",
        "strix_model": "tiny",
        "strix_environment": lab.environment,
        "strix_services": {"main": {"source": {"controller": str(lab.model)}}},
    }
    path = tmp_path / "inventory.yaml"
    path.write_text(yaml.safe_dump({"all": {"hosts": {lab.box.name: variables}}}))
    return path


def _invoke(verb: str, lab: Lab, inventory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "invoke"
    return subprocess.run(
        [program, verb, "--host", lab.box.name, "--inventory", str(inventory), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=dict(os.environ),
    )


def test_audit_by_command_line(satisfied: Lab, inventory: Path) -> None:
    done = _invoke("audit", satisfied, inventory, "--check")
    said = [line for line in done.stdout.splitlines() if "  note: " not in line]
    assert (done.returncode, said) == (0, [f"{satisfied.box.name}  nothing to change"]), done.stderr
    satisfied.ssh(f"systemctl disable {UNIT} 2>/dev/null")
    try:
        done = _invoke("audit", satisfied, inventory, "--check")
        assert done.returncode == 3
        assert "release:main  enabled: disabled -> enabled" in done.stdout
        assert "restarts a service" not in done.stdout
        assert _invoke("audit", satisfied, inventory).returncode == 0
        [host] = json.loads(_invoke("audit", satisfied, inventory, "--json").stdout)["hosts"]
        assert [change["field"] for change in host["changes"]] == ["enabled"]
    finally:
        satisfied.ssh(f"systemctl enable {UNIT} 2>/dev/null")


def test_json_of_deploy_rollback_and_journal_by_command_line(satisfied: Lab, inventory: Path) -> None:
    before = satisfied.current()
    switched = _invoke("switch", satisfied, inventory, "--profile", "general", "--json")
    [host] = json.loads(switched.stdout)["hosts"]
    assert (switched.returncode, host["ok"], host["remaining"]) == (0, True, []), switched.stderr
    assert "sampling.temperature" in {change["field"] for change in host["changes"]}
    back = _invoke("rollback", satisfied, inventory, "--json")
    [host] = json.loads(back.stdout)["hosts"]
    assert (back.returncode, host["ok"]) == (0, True), back.stderr
    assert satisfied.current() == before
    done = _invoke("deploy", satisfied, inventory, "--json")
    [host] = json.loads(done.stdout)["hosts"]
    assert (done.returncode, host["changes"], host["round_trips"]) == (0, [], 2)
    entries = json.loads(_invoke("journal", satisfied, inventory, "--json", "--limit", "6").stdout)
    assert [entry["event"] for entry in entries] == ["begin", "gated", "end"] * 2
    assert [entry["what"] for entry in entries if entry["event"] == "end"] == [
        "switch to general",
        "rollback of main",
    ]
    lines = _invoke("journal", satisfied, inventory, "--limit", "6").stdout.splitlines()
    assert len(lines) == 6
    assert lines[-1].endswith("ended rollback of main: done")
    key = _invoke("key", satisfied, inventory).stdout.strip()
    for text in (switched.stdout, back.stdout, json.dumps(entries)):
        assert key not in text


def test_the_service_may_open_the_gpu(satisfied: Lab) -> None:
    """User, groups and sandbox of the unit let /dev/dri through as far as permissions go.

    A box has no driver, so an open that is allowed ends in ENXIO. Its /proc/devices names no drm either, so that
    `DeviceAllow=char-drm` means nothing there: what is tested is user, groups and mount namespace, and that the
    same process is refused by a device of another group.
    """
    if "drm" in Path("/proc/devices").read_text():
        pytest.skip("this machine has a DRM driver, and its devices are no matter of a box")
    node, other = "/dev/dri/renderD128", "/dev/dri/other"
    code = (
        f"import os\nfor path in ('{node}', '{other}'):\n"
        "    try: os.open(path, os.O_RDWR)\n"
        "    except OSError as error: print(error)\n"
    )
    satisfied.ssh(
        f"mkdir -p /dev/dri && mknod {node} c 226 128 && mknod {other} c 226 129 && "
        f"chgrp render {node} && chmod 660 {node} {other} && cat > /usr/local/lib/strixkit/open.py",
        stdin=code,
    )
    unit = satisfied.ssh(f"cat /etc/systemd/system/{UNIT}")
    lines = [line for line in unit.splitlines() if not line.startswith(("ExecStart", "Restart", "Type="))]
    start = lines.index("[Service]") + 1
    lines[start:start] = ["Type=oneshot", "ExecStart=/usr/bin/python3 -I /usr/local/lib/strixkit/open.py"]
    satisfied.ssh("cat > /run/systemd/system/opens.service", stdin="\n".join(lines) + "\n")
    try:
        satisfied.ssh("systemctl daemon-reload && systemctl start opens.service")
        said = satisfied.ssh("journalctl --no-pager -o cat -u opens.service")
    finally:
        satisfied.ssh(
            "rm -r /dev/dri /run/systemd/system/opens.service /usr/local/lib/strixkit/open.py; systemctl daemon-reload"
        )
    assert f"No such device or address: '{node}'" in said
    assert f"Permission denied: '{other}'" in said
