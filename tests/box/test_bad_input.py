"""Mistakes and misfortunes: each gets a clear error, and what served goes on serving."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from strixkit.errors import ConnectError, InputError, LockedError
from strixkit.fleet import verbs
from tests.box.lab import Abandoned, Lab

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    assert lab.deploy().ok
    return lab


@pytest.fixture(autouse=True)
def _still_serves(lab: Lab):
    """Whatever a test breaks, the release from before serves afterwards."""
    before = lab.current()
    yield
    assert lab.running() == lab.current() == before
    assert lab.deploy().changes == []


def _copy(lab: Lab, **changes) -> Lab:
    return dataclasses.replace(lab, events=[], **changes)


def test_unreachable(lab: Lab) -> None:
    gone = _copy(lab, box=dataclasses.replace(lab.box, address="198.18.0.250"))
    with pytest.raises(ConnectError, match=r"198\.18\.0\.250"):
        gone.deploy()


def test_unknown_host_key(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_bytes((lab.client / "id_ed25519").read_bytes())
    (tmp_path / "id_ed25519").chmod(0o600)
    (tmp_path / "known_hosts").touch()
    with pytest.raises(ConnectError, match="SHA256:") as caught:
        _copy(lab, client=tmp_path).deploy()
    assert "invoke trust --host" in str(caught.value)


def test_changed_host_key(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_bytes((lab.client / "id_ed25519").read_bytes())
    (tmp_path / "id_ed25519").chmod(0o600)
    other = (lab.client / "id_ed25519.pub").read_text().split()
    (tmp_path / "known_hosts").write_text(f"{lab.box.address} {other[0]} {other[1]}\n")
    with pytest.raises(ConnectError, match="CHANGED"):
        _copy(lab, client=tmp_path).deploy()


def test_no_python(lab: Lab) -> None:
    lab.ssh("mv /usr/bin/python3 /usr/bin/python3.away")
    try:
        with pytest.raises(ConnectError, match="no python3"):
            lab.deploy()
    finally:
        lab.ssh("mv /usr/bin/python3.away /usr/bin/python3")


def test_another_init(lab: Lab) -> None:
    lab.ssh("echo openrc-init > /run/comm && mount --bind /run/comm /proc/1/comm")
    try:
        with pytest.raises(InputError, match="PID 1 is openrc-init, wanted systemd"):
            lab.deploy()
    finally:
        lab.ssh("umount /proc/1/comm")


def test_locked(lab: Lab) -> None:
    """A second deploy while the first one is watched: who, since when, what for, exit 75."""
    held, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        held.set()
        go_on.wait(60)

    first = _copy(lab, profile="general")
    worker = threading.Thread(target=lambda: first.deploy(hold_at="0:release:release:main", on_held=wait))
    worker.start()
    try:
        assert held.wait(60)
        with pytest.raises(LockedError, match=r"locked by .* since .* for test") as caught:
            lab.deploy()
        assert caught.value.exit_code == 75
        notes: list[str] = []
        planned = verbs.plan(lab.host(), verbs.Access(), lambda event: notes.append(event.text), profiles={})
        assert planned.ok
        assert any("is at work there since" in note for note in notes)
        assert "RuntimeMaxUSec=4h" in lab.ssh("systemctl show -p RuntimeMaxUSec 'strixkit-job-*'")
    finally:
        lab.ssh("touch /run/strixkit/go-on")
        go_on.set()
        worker.join()
    assert lab.deploy().ok


def test_attaches_to_an_abandoned_run(lab: Lab) -> None:
    def abandon() -> None:
        raise Abandoned

    with pytest.raises(Abandoned):
        _copy(lab, profile="general").deploy(hold_at="0:release:release:main", on_held=abandon)
    timer = threading.Timer(1.0, lambda: lab.ssh("touch /run/strixkit/go-on"))
    timer.start()
    outcome = lab.deploy()
    timer.join()
    assert outcome.ok
    assert sum("attaching" in event.text for event in lab.events) == 1


def test_apt_lock_is_waited_for_and_its_holder_named(lab: Lab) -> None:
    lab.ssh("dpkg -r --force-depends libggml0-backend-vulkan >/dev/null 2>&1")
    code = "import fcntl,time;f=open('/var/lib/dpkg/lock-frontend','w');fcntl.lockf(f,fcntl.LOCK_EX);time.sleep(6)"
    lab.ssh(f'nohup python3 -c "{code}" >/dev/null 2>&1 &')
    time.sleep(1)
    outcome = lab.deploy()
    assert outcome.ok, outcome.error
    waits = [event.text for event in lab.events if "waiting for apt" in event.text]
    assert waits
    assert "lock-frontend" in waits[0]
    assert "python3" in waits[0]


def test_disk_full_in_the_middle_of_a_file(lab: Lab) -> None:
    """The helper's folder is a full file system: the old file stays whole, the error says so."""
    folder = "/usr/local/lib/strixkit"
    before = lab.ssh(f"sha256sum {folder}/wait-ready").split()[0]
    lab.ssh(
        f"cp -a {folder} /root/kept && mount -t tmpfs -o size=16k,mode=755 tmpfs {folder} && "
        f"cp -a /root/kept/. {folder}/ && echo '# old' >> {folder}/wait-ready && "
        f"(dd if=/dev/zero of={folder}/filler bs=1k 2>/dev/null; true)"
    )
    old = lab.ssh(f"sha256sum {folder}/wait-ready").split()[0]
    try:
        outcome = lab.deploy()
        assert not outcome.ok
        assert "No space left" in outcome.error
        assert lab.ssh(f"sha256sum {folder}/wait-ready").split()[0] == old != before
        assert lab.ssh(f"ls -A {folder}").split() == ["filler", "wait-ready"]
    finally:
        lab.ssh(f"umount {folder} && rm -rf /root/kept")


def test_port_taken(lab: Lab) -> None:
    lab.ssh("nohup python3 -m http.server 8099 --bind 127.0.0.1 >/dev/null 2>&1 & sleep 0.5")
    try:
        outcome = _copy(lab, port=8099).deploy()
        assert not outcome.ok
        assert "port 8099 is taken by process" in outcome.error
        assert "(python3)" in outcome.error
    finally:
        lab.ssh("kill $(ss -ltnpH 'sport = :8099' | grep -o 'pid=[0-9]*' | cut -d= -f2)")


@pytest.mark.parametrize("words", ["not a GGUF", "truncated"])
def test_bad_model_file(lab: Lab, tmp_path: Path, words: str) -> None:
    bad = tmp_path / "bad.gguf"
    data = lab.model.read_bytes()
    bad.write_bytes(b"<!DOCTYPE html>" * 1000 if words == "not a GGUF" else data[: len(data) // 2])
    with pytest.raises(InputError, match=words):
        _copy(lab, model=bad).deploy()


def test_environment_reaches_no_shell(lab: Lab) -> None:
    evil = "a\"b'c $(touch /tmp/pwned) `id` %n ${HOME} \\ ; é"
    other = _copy(lab, environment={**lab.environment, "STRIX_TEST": evil})
    assert other.deploy().ok
    pid = lab.ssh("systemctl show -p MainPID --value llama-server-main.service").strip()
    assert f"STRIX_TEST={evil}" in lab.ssh(f"tr '\\0' '\\n' < /proc/{pid}/environ").splitlines()
    assert lab.ssh("ls /tmp/pwned", check=False) == ""
    assert lab.deploy().ok


def test_a_box_without_the_runtime_is_set_up_all_the_same(lab: Lab) -> None:
    """What only a person can put there is the run's error, once the rest is true; what serves is left alone."""
    bare = _copy(lab, runtime="rocmfp4-path")
    lab.ssh("rm /usr/local/lib/strixkit/wait-ready")
    outcome = bare.deploy()
    assert not outcome.ok
    assert [change.resource for change in outcome.changes] == ["file:/usr/local/lib/strixkit/wait-ready"]
    assert "llama-server is not on the box\n  next: build it there" in outcome.error
    again = bare.deploy()
    assert (again.changes, again.error) == ([], outcome.error)
