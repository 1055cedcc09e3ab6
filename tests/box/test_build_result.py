"""What becomes of a compiled tree on a real box: collected, verified in the unit's sandbox, placed, packed, unpacked.

The server is Debian's, the sandbox that of the unit's template, the device Mesa's lavapipe. Programs that a real build
would never make (wrong RUNPATH, hanging) are compiled or written here.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from strixkit import golden
from strixkit.engine.job import new_id
from strixkit.fleet import verbs
from strixkit.host.sandbox import sandbox
from strixkit.remote.bundle import bundle
from tests.box.lab import Lab

pytestmark = pytest.mark.box
SOUND: dict[str, Any] = {"faults": [], "partial_bytes": 0}
AGENT = "/root/agent.pyz"
SERVER = "/opt/build"  # a folder with Debian's server, which knows its libraries by itself
MODEL = "/opt/golden.gguf"
WORK = "/var/cache/strixkit/build/work"
BUILDS = "/var/lib/strixkit/builds"
LAVAPIPE = {"GGML_VK_VISIBLE_DEVICES": "0"}  # llama.cpp leaves a CPU aside unless it is named
BASE = {"distribution": "debian forky", "rocm": "", "cpu": "any"}
PRELUDE = f"""
import json, sys
sys.path.insert(0, {AGENT!r})
from strixkit.remote.agent.build import child, collect, golden, pack, place, question, remove, verify
class Report:
    points = []
    def __call__(self, text): self.points.append(text)
    note = __call__
report = Report()
given = json.load(sys.stdin)
try:
    value, error = act(given), ""
except Exception as problem:
    value, error = None, str(problem)
print(json.dumps([value, error, report.points]))
"""


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    (box.root / AGENT.lstrip("/")).write_bytes(bundle())
    lab.put(golden.model("stock"), MODEL)
    lab.ssh(
        f"groupadd --system render 2>/dev/null; useradd --system --groups render,video llama && "
        f"useradd --system strixkit-build && mkdir -p {SERVER} {WORK} && cp /usr/bin/llama-server {SERVER}"
    )
    return lab


def act(lab: Lab, code: str, given: Any = None) -> tuple[Any, str, list[str]]:
    """Evaluate an expression of `given` in the agent on the box; returns its value, the error's words, the points."""
    script = f"def act(given):\n    return {code}\n" + PRELUDE
    said = lab.ssh(f"python3 -I -c {shlex.quote(script)}", stdin=json.dumps(given))
    value, error, points = json.loads(said)
    return value, error, points


def spec(**verify: Any) -> dict[str, Any]:
    """A build of Debian's server, with what is asked of it."""
    wanted = {
        "commit": "",
        "devices": ["Vulkan0"],
        "software": True,
        "user": "llama",
        "sandbox": sandbox(),
        "environment": {"Vulkan0": LAVAPIPE},
        "golden": None,
    }
    return {"id": "debian-1", "name": "debian", "programs": ["llama-server"], "verify": {**wanted, **verify}}


def gold(**changes: Any) -> dict[str, Any]:
    expected = copy.deepcopy(golden.expected("stock"))
    assert expected is not None
    expected.update(changes)
    return {"model": MODEL, "expected": expected, "argv": expected["arguments"]}


def verify(lab: Lab, folder: str = SERVER, **changes: Any) -> tuple[Any, str]:
    value, error, _ = act(lab, f"verify.verify(given, {folder!r}, report)", spec(**changes))
    return value, error


def short(lab: Lab) -> dict[str, Any]:
    """A completion as the box's CPU computes it now: the shipped one takes lavapipe a minute of shaders."""
    wanted = gold()
    request = {**wanted["expected"]["request"], "prompt": "abc", "n_predict": 4}
    words = {"{model}": MODEL, "{device}": "none"}
    argv = ["/usr/bin/llama-server", *(words.get(word, word) for word in wanted["argv"])]
    given = {"argv": argv, "environment": {}, "body": request, "seconds": 60}
    tokens, error, _ = act(lab, "golden.recorded(child.serve(given)['answer'], 4)", given)
    assert error == ""
    return gold(request=request, tokens=tokens)


def test_a_good_build_is_verified_on_every_device(lab: Lab) -> None:
    value, error, points = act(lab, f"verify.verify(given, {SERVER!r}, report)", spec(golden=short(lab)))
    assert error == ""
    assert value["version"].startswith("0.")
    assert (value["devices"], value["software"]) == (["Vulkan0"], ["Vulkan0"])
    assert set(value["golden"]) == {"CPU", "Vulkan0"}
    assert value["golden"]["CPU"] < 0.001
    assert 0 < value["golden"]["Vulkan0"] < 0.15
    assert points == ["verify", "verify CPU", "verify Vulkan0"]


def test_the_shipped_completion_is_repeated(lab: Lab) -> None:
    value, error = verify(lab, devices=[], golden=gold())
    assert error == ""
    assert value["golden"]["CPU"] < (golden.expected("stock") or {})["tolerance"]


def test_it_is_asked_as_the_services_user_without_network(lab: Lab) -> None:
    spy = "#!/bin/sh\nid -un; tail -n +3 /proc/net/dev | cut -d: -f1; touch /opt/spy/x /home/x 2>&1; exit 3\n"
    lab.ssh("mkdir -p /opt/spy && cat > /opt/spy/llama-server && chmod -R 777 /opt/spy", stdin=spy)
    _, error = verify(lab, "/opt/spy")
    assert "llama-server --version failed (exit 3)" in error
    runs = {"runs": [{"argv": ["/opt/spy/llama-server"], "environment": {}, "seconds": 9}]}
    value, _, _ = act(lab, "verify._in_sandbox(given[0], given[1], 9)", [spec()["verify"], runs])
    lines = [line.strip() for line in value[0]["text"].splitlines()]
    assert lines[:2] == ["llama", "lo"]
    assert "Read-only file system" in lines[2]
    assert "Permission denied" in lines[3]


def test_one_that_computes_wrong_is_refused(lab: Lab) -> None:
    tokens = copy.deepcopy((golden.expected("stock") or {})["tokens"])
    tokens[2]["top"][1][1] += 0.5
    _, error = verify(lab, devices=[], golden=gold(tokens=tokens))
    assert "CPU computes wrong, so the build is not used: token 3 of 12: log-probability of token 97" in error
    assert "within 0.15" in error


def test_weights_that_are_read_wrong_are_refused(lab: Lab, tmp_path: Path) -> None:
    """The same server with weights that are not those of the recorded completion, as if a kernel read them wrong."""
    data = bytearray(golden.model("stock").read_bytes())
    middle = len(data) // 3
    data[middle : middle + 200_000] = bytes(byte ^ 0x88 for byte in data[middle : middle + 200_000])
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(data)
    lab.put(wrong, "/opt/wrong.gguf")
    _, error = verify(lab, devices=[], golden={**gold(), "model": "/opt/wrong.gguf"})
    assert "/opt/wrong.gguf has sha256" in error
    sha256 = lab.ssh("sha256sum /opt/wrong.gguf").split()[0]
    _, error = verify(lab, devices=[], golden={**gold(sha256=sha256), "model": "/opt/wrong.gguf"})
    assert "CPU computes wrong, so the build is not used" in error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"devices": ["ROCm0"], "environment": {"ROCm0": LAVAPIPE}},
            "shows no ROCm0, the service's user sees: Vulkan0: llvmpipe",
        ),
        ({"software": False}, "Vulkan0 computes on the CPU and is no GPU (llvmpipe"),
        ({"commit": "b1a2c3d" + "0" * 33}, "--version names no commit (0."),
        ({"user": "nobody-here"}, "the service's user nobody-here is not on this box"),
        ({"user": "root"}, "the service's user is root"),
        ({"sandbox": ["NoSuchProperty=yes"]}, "could not be asked as user llama"),
        ({"golden": {**gold(), "model": "/opt/none.gguf"}}, "not on this box: /opt/none.gguf"),
        ({"devices": [], "golden": {**gold(), "argv": ["--no-such-flag"]}}, "CPU: the server ended with 1 before"),
    ],
)
def test_what_it_is_not_is_told(lab: Lab, changes: dict[str, Any], words: str) -> None:
    _, error = verify(lab, **changes)
    assert words in error


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('--version) echo "version: 59 (abcdef1)"', "names abcdef1, wanted commit b1a2c3d"),
        ('--version) echo "version: 59 (b1a2c3d)";; --help) echo usage', "--help names no --model"),
        ("--list-devices) exec sleep 600", "llama-server --list-devices did not end within 3 s"),
        ("--list-devices) kill -SEGV $$", "llama-server --list-devices failed (exit -11)"),
        ("-m) exec sleep 600", "CPU: the server was not ready in time"),
    ],
    ids=["commit", "help", "hangs", "dies", "never healthy"],
)
def test_programs_that_misbehave(lab: Lab, script: str, words: str) -> None:
    """A script in the place of the server, for what no real one does; the rest is Debian's."""
    text = f'#!/bin/sh\ncase "$1" in\n{script};;\n*) exec /usr/bin/llama-server "$@";;\nesac\n'
    lab.ssh("mkdir -p /opt/odd && cat > /opt/odd/llama-server && chmod 755 /opt/odd/llama-server", stdin=text)
    commit = "b1a2c3d" + "0" * 33 if script.startswith("--version") else ""
    devices = ["Vulkan0"] if "list" in script else []
    _, error = verify(lab, "/opt/odd", commit=commit, devices=devices, seconds=3, golden=gold())
    assert words in error
    assert lab.ssh("systemctl list-units --all --no-legend 'strixkit-verify-*'") == ""
    assert lab.ssh("pgrep -u llama", check=False) == ""


# A program with a library of its own, as CMake would leave them.

TREE = """
set -e
rm -rf {work}/{id} && mkdir -p {work}/{id}/build/bin && cd {work}/{id}/build/bin
echo 'int answer(void) {{ return 42; }}' > one.c
echo '#include <stdio.h>
int answer(void);
int main(void) {{ return printf("usage: %d\\n", answer()) < 0; }}' > tool.c
gcc -shared -fPIC -Wl,-soname,libone.so.1 -Wl,-rpath,'$ORIGIN' -o libone.so.1.0 one.c
ln -s libone.so.1.0 libone.so.1 && ln -s libone.so.1 libone.so
gcc -o tool tool.c -L. -lone -Wl,-rpath,'$ORIGIN'
rm one.c tool.c && touch CMakeCache.txt
chown -hR strixkit-build {work}/{id}
{more}
find {work}/{id} -user root -exec chown -h strixkit-build {{}} +
"""


def tree(lab: Lab, more: str = "true") -> str:
    """A build tree of the small program; returns its folder."""
    lab.ssh(TREE.format(work=WORK, id="tool-1", more=more))
    return f"{WORK}/tool-1/build"


def tool() -> dict[str, Any]:
    return {
        "id": "tool-1",
        "name": "tool",
        "programs": ["tool"],
        "source": {"repository": "file:///src", "ref": "main", "commit": "0" * 40},
        "inputs": {"definition": "", "tools": {}, "base": BASE},
        "verify": {**spec()["verify"], "devices": []},
    }


MAKE = (
    "[place.place(given, folder, verify.verify(given, folder, report), report, {'seconds': 7, 'jobs': 2})"
    " for folder in [collect.collect(given, '%s', report)]]"
)


def state(lab: Lab) -> dict[str, Any]:
    value, error, _ = act(lab, "question.build({'id': 'tool-1'})")
    assert error == ""
    return dict(value)


def test_a_tree_becomes_a_folder_that_nobody_changes(lab: Lab) -> None:
    folder = tree(lab)
    lab.ssh(f"mkdir -p {BUILDS}/.new-other {BUILDS}/.new-tool-1/left")
    assert state(lab) == {"exists": False, "state": "partial", **SOUND}
    _, error, points = act(lab, MAKE % folder, tool())
    assert (error, points) == ("", ["collect", "verify", "place"])
    assert state(lab) == {"exists": True, "state": "finished", **SOUND}
    assert lab.ssh(f"ls -A {BUILDS}").split() == ["tool-1"]
    listed = lab.ssh(f"cd {BUILDS}/tool-1 && find . -printf '%P %y %U %m\\n' | sort").splitlines()
    assert listed == [
        " d 0 755",
        "build.json f 0 644",
        "libone.so l 0 777",
        "libone.so.1 l 0 777",
        "libone.so.1.0 f 0 755",
        "tool f 0 755",
    ]
    record = json.loads(lab.ssh(f"cat {BUILDS}/tool-1/build.json"))
    assert (record["id"], record["seconds"], record["jobs"], record["host"]) == ("tool-1", 7, 2, lab.box.name)
    assert record["files"]["libone.so"]["link"] == "libone.so.1"
    assert record["files"]["tool"]["sha256"] == lab.ssh(f"sha256sum {BUILDS}/tool-1/tool").split()[0]
    lab.ssh(f"rm -rf {folder}")
    assert lab.ssh(f"cd / && {BUILDS}/tool-1/tool") == "usage: 42\n"


def test_one_that_is_being_made_runs(lab: Lab) -> None:
    lab.ssh(f"mkdir -p {WORK}/tool-2 && systemd-run --quiet --unit=strixkit-build-tool-2.service sleep 60")
    assert act(lab, "question.build({'id': 'tool-2'})")[0] == {
        "exists": False,
        "state": "running",
        "faults": [],
        "partial_bytes": 0,
    }
    lab.ssh(f"systemctl stop strixkit-build-tool-2.service && rmdir {WORK}/tool-2")
    assert act(lab, "question.build({'id': 'tool-2'})")[0] == {
        "exists": False,
        "state": "absent",
        "faults": [],
        "partial_bytes": 0,
    }


def test_a_finished_one_stays_as_it_is(lab: Lab) -> None:
    before = lab.ssh(f"cat {BUILDS}/tool-1/build.json")
    _, error, _ = act(lab, MAKE % tree(lab), tool())
    assert error == ""
    assert lab.ssh(f"cat {BUILDS}/tool-1/build.json") == before
    assert lab.ssh(f"ls -A {BUILDS}").split() == ["tool-1"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("truncate --size=100 tool", "tool has 100 bytes, wanted"),
        ("touch tool", "tool was changed after it was built"),
        ("ln -sfn /etc/passwd libone.so", "libone.so is a link to /etc/passwd, wanted libone.so.1"),
        ("rm libone.so.1.0", "libone.so.1.0 is missing"),
        ("cp tool libevil.so", "libevil.so is no file of the build"),
        ("echo '{}' > build.json", "build.json is missing or broken"),
    ],
)
def test_a_damaged_one_is_told_and_made_again(lab: Lab, damage: str, words: str) -> None:
    lab.ssh(f"cd {BUILDS}/tool-1 && {damage}")
    found = state(lab)
    assert (found["exists"], found["state"]) == (True, "damaged")
    assert words in " ".join(found["faults"])
    _, error, _ = act(lab, MAKE % tree(lab), tool())
    assert error == ""
    assert state(lab)["state"] == "finished"
    assert lab.ssh(f"ls -A {BUILDS}").split() == ["tool-1"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("echo 'int main(void){return 0;}' | gcc -xc - -o tool -Wl,-rpath,$PWD:", "tool has the RUNPATH"),
        (
            "echo 'int main(void){return 0;}' | gcc -xc - -o tool -Wl,-rpath,'$ORIGIN:'",
            "RUNPATH '$ORIGIN:', wanted $ORIGIN",
        ),
        (
            "echo 'int main(void){return 0;}' | gcc -xc - -o tool -Wl,--disable-new-dtags,-rpath,'$ORIGIN'",
            "tool has the RPATH '$ORIGIN'",
        ),
        (
            "echo 'int answer(void); int main(void){return answer();}' | gcc -xc - -o tool -L. -lone",
            "tool has the RUNPATH None",
        ),
        (
            "echo 'int a(void){return 1;}' | gcc -xc - -shared -o elsewhere.so && "
            "echo 'int a(void); int main(void){return a();}' | gcc -xc - -o tool -xnone $PWD/elsewhere.so",
            "elsewhere.so' by its path",
        ),
        (
            "echo 'int a(void){return 1;}' | gcc -xc - -shared -fPIC -o libgone.so && "
            "echo 'int a(void); int main(void){return a();}' | gcc -xc - -o tool -L. -lgone -Wl,-rpath,'$ORIGIN' && "
            "rm libgone.so",
            "tool needs libgone.so, which the loader does not find",
        ),
        ("rm tool", "the build did not make tool"),
        ("rm tool && ln -s /usr/bin/true tool", "tool is a link to /usr/bin/true"),
        ("rm libone.so && ln -s ../../secret.so libone.so", "libone.so is a link to ../../secret.so"),
        ("ln -s nowhere.so libnone.so", "libnone.so is a link to nowhere.so"),
        ("chmod u+s tool", "setuid"),
        ("rm tool && mkfifo tool", "tool is no regular file"),
        ("rm tool && mknod tool c 1 3", "tool is no regular file"),
        ("rm tool && cp /etc/passwd tool", "tool: no 64-bit little-endian ELF file"),
        ("head -c 300 tool > t && mv t tool", "tool: the file ends in the middle"),
        ("cd .. && mv bin other && ln -s other bin", "the build made no folder"),
    ],
)
def test_what_a_build_may_not_hold(lab: Lab, more: str, words: str) -> None:
    folder = tree(lab, more)
    _, error, _ = act(lab, f"collect.collect(given, {folder!r}, report)", tool())
    assert words in error


def test_another_owners_file_is_not_published(lab: Lab) -> None:
    folder = tree(lab)
    lab.ssh(f"cd {folder}/bin && rm tool && cp /usr/bin/true tool && chmod 700 tool")
    _, error, _ = act(lab, f"collect.collect(given, {folder!r}, report)", tool())
    assert "tool is not a regular file of the user that compiled" in error


# On the way to another box: here the same one, after its own folder is removed.


def pieces(lab: Lab) -> tuple[bytes, str]:
    """The whole pack through the agent's request, in a session of its own; and its sha256."""
    data, known = b"", {"size": 1, "sha256": ""}
    with closing(verbs.open_host(lab.host(), verbs.Access())) as session:
        while len(data) < known["size"]:
            known = session.request("pack", id="tool-1", offset=len(data))
            piece = base64.b64decode(known["data"])
            assert piece
            data += piece
    return data, str(known["sha256"])


def run_step(lab: Lab, step: dict[str, Any]) -> dict[str, Any]:
    """Run one step in a job of the agent's; returns how it ended."""
    step = {"resource": "build:tool-1", **step}
    request = {"job": new_id(), "who": "test", "what": "test", "steps": [step], "changes": [], "releases": {}}
    with closing(verbs.open_host(lab.host(), verbs.Access())) as session:
        return dict(session.request("apply", questions=[], answers=[], **request))


def pushed(lab: Lab, data: bytes, *, sha256: str = "", **changes: Any) -> dict[str, Any]:
    """Unpack a pack on the box, as if it had been sent there."""
    lab.ssh("base64 -d > /root/tool.tar", stdin=base64.b64encode(data).decode())
    sha256 = sha256 or hashlib.sha256(data).hexdigest()
    step = {"step": "unpack_build", "id": "tool-1", "path": "/root/tool.tar", "sha256": sha256}
    return run_step(lab, {**step, "host": "strix01", "spec": {**tool(), **changes}})


def repacked(data: bytes, change: Callable[[dict[str, Any], list[tuple[tarfile.TarInfo, bytes]]], None]) -> bytes:
    """The pack after a change of its record and of its members."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = [
            (entry, (archive.extractfile(entry) or io.BytesIO()).read() if entry.isreg() else b"") for entry in archive
        ]
    record = json.loads(found[0][1])
    members = found[1:]
    change(record, members)
    text = json.dumps(record).encode()
    found[0][0].size = len(text)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for entry, content in [(found[0][0], text), *members]:
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture(scope="module")
def packed(lab: Lab) -> bytes:
    """The pack of the small program, of which the folder is on the box no more."""
    _, error, _ = act(lab, MAKE % tree(lab), tool())
    assert error == ""
    data, sha256 = pieces(lab)
    assert hashlib.sha256(data).hexdigest() == sha256
    lab.ssh("rm -r /var/cache/strixkit/packs")
    assert pieces(lab) == (data, sha256), "the same build gives the same bytes"
    for offset in (0, 100, len(data), len(data) + 1):  # a broken transfer goes on where it was
        answer, _, _ = act(lab, "pack.pack(given)", {"id": "tool-1", "offset": offset})
        assert base64.b64decode(answer["data"]) == data[offset:]
    assert run_step(lab, {"step": "remove_build", "id": "tool-1"})["ok"]
    assert state(lab)["state"] == "absent"
    assert lab.ssh(f"ls -A {BUILDS} {WORK} /var/cache/strixkit/packs | grep -v :", check=False).split() == []
    return data


def test_a_pack_is_unpacked_and_verified(lab: Lab, packed: bytes) -> None:
    found = pushed(lab, packed)
    assert found["ok"], found
    assert state(lab) == {"exists": True, "state": "finished", **SOUND}
    record = json.loads(lab.ssh(f"cat {BUILDS}/tool-1/build.json"))
    assert record["pushed_from"] == record["host"] == "strix01"
    assert record["seconds"] == 7
    assert lab.ssh("ls /root/tool.tar", check=False) == ""
    assert lab.ssh(f"{BUILDS}/tool-1/tool") == "usage: 42\n"
    assert lab.ssh(f"stat -c %U:%a {BUILDS}/tool-1/tool") == "root:755\n"
    assert run_step(lab, {"step": "remove_build", "id": "tool-1"})["ok"]


def _member(members: list[tuple[tarfile.TarInfo, bytes]], name: str) -> tuple[tarfile.TarInfo, bytes]:
    return next(row for row in members if row[0].name == name)


def _rename(record: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]], new: str) -> None:
    _member(members, "tool")[0].name = new
    record["files"][new] = record["files"]["tool"]


def _relink(record: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]], target: str) -> None:
    _member(members, "libone.so")[0].linkname = target
    record["files"]["libone.so"]["link"] = target


def _patch(record: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entry, content = _member(members, "tool")
    members[members.index((entry, content))] = (entry, content[:-1] + b"!")


def _device(record: dict[str, Any], members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entry = _member(members, "tool")[0]
    entry.type, entry.size = tarfile.CHRTYPE, 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record, members: record.update(id="tool-2"), "the pack holds build tool-2, wanted tool-1"),
        (lambda record, members: record["inputs"]["base"].update(rocm="7.2.1"), "rocm 7.2.1 (here )"),
        (lambda record, members: _rename(record, members, "../tool"), "the pack has '../tool', which is no file"),
        (lambda record, members: _rename(record, members, "/etc/tool"), "the pack has '/etc/tool', which is no file"),
        (lambda record, members: _relink(record, members, "/etc/passwd"), "libone.so is a link to /etc/passwd"),
        (lambda record, members: _relink(record, members, "gone"), "libone.so is a link to gone"),
        (_patch, "tool has sha256"),
        (_device, "the pack has 'tool', which is no file"),
        (lambda record, members: members.pop(), "the pack lacks"),
        (lambda record, members: members.append(members[-1]), "which its build.json does not name once"),
        (lambda record, members: record["files"].pop("tool"), "the pack lacks tool"),
        (lambda record, members: record.pop("files"), "is broken"),
    ],
)
def test_a_pack_that_is_not_what_it_says(lab: Lab, packed: bytes, change: Any, words: str) -> None:
    found = pushed(lab, repacked(packed, change))
    assert not found["ok"]
    assert words in found["error"]
    assert not state(lab)["exists"]
    assert lab.ssh("ls /etc/tool /var/lib/strixkit/tool", check=False) == ""


def test_a_pack_that_was_changed_on_the_way_is_thrown_away(lab: Lab, packed: bytes) -> None:
    found = pushed(lab, packed[:-1] + b"!", sha256=hashlib.sha256(packed).hexdigest())
    assert "wanted" in found["error"]
    assert "thrown away" in found["error"]
    assert lab.ssh("ls /root/tool.tar", check=False) == ""
    found = pushed(lab, packed[: len(packed) // 2])
    assert "broken" in found["error"] or "lacks" in found["error"]


def test_what_is_not_as_it_was_built_is_not_packed(lab: Lab, packed: bytes) -> None:
    assert pushed(lab, packed)["ok"]
    folder = f"{BUILDS}/tool-1"
    lab.ssh(f"cd {folder} && cp -p tool /root/tool && printf X | dd of=tool bs=1 seek=4000 conv=notrunc status=none")
    lab.ssh(f"touch -r /root/tool {folder}/tool && rm -rf /var/cache/strixkit/packs")
    assert state(lab)["state"] == "finished", "sizes and times are what a question looks at"
    assert "tool of the build is not what was built" in act(lab, "pack.pack(given)", {"id": "tool-1", "offset": 0})[1]
    lab.ssh(f"rm {folder}/tool")
    assert "tool is missing" in act(lab, "pack.pack(given)", {"id": "tool-1", "offset": 0})[1]
    assert run_step(lab, {"step": "remove_build", "id": "tool-1"})["ok"]
    assert "it is not on this box" in act(lab, "pack.pack(given)", {"id": "tool-1", "offset": 0})[1]


def test_a_build_that_a_release_uses_stays(lab: Lab, packed: bytes) -> None:
    assert pushed(lab, packed)["ok"]
    release = "/var/lib/strixkit/services/main/releases/r1"
    manifest = json.dumps({"argv": [f"{BUILDS}/tool-1/tool", "-m", "x"]})
    lab.ssh(f"mkdir -p {release} && cat > {release}/manifest.json", stdin=manifest)
    value, _, _ = act(lab, "question.builds({'name': 'tool'})")
    assert [(row["id"], row["used_by"]) for row in value["builds"]] == [("tool-1", ["main/r1"])]
    assert act(lab, "question.builds({'name': 'other'})")[0] == {"builds": []}
    found = run_step(lab, {"step": "remove_build", "id": "tool-1"})
    assert "build tool-1 is used by main/r1, so it stays" in found["error"]
    lab.ssh(f"rm -r {release}")
    assert run_step(lab, {"step": "remove_build", "id": "tool-1"})["ok"]


def test_the_facts_have_the_finished_ones(lab: Lab, packed: bytes) -> None:
    assert pushed(lab, packed)["ok"]
    with closing(verbs.open_host(lab.host(), verbs.Access())) as session:
        found = session.request("facts", builds=["tool"])["builds"]
        assert [(row["id"], row["folder"]) for row in found] == [("tool-1", f"{BUILDS}/tool-1")]
        assert "files" not in found[0]
        lab.ssh(f"rm {BUILDS}/tool-1/libone.so")
        assert session.request("facts", builds=["tool"])["builds"] == []


@pytest.mark.parametrize("name", ["../etc", "", ".new-x", "a/b", "x" * 200])
def test_an_id_is_no_path(lab: Lab, name: str) -> None:
    for code in ("question.build(given)", "pack.pack(given)", "remove.remove_build(given, report)"):
        assert "is no id of a build" in act(lab, code, {"id": name, "offset": 0})[1]
