"""A release is rehearsed on a device that computes nothing before anything is stopped for it; `invoke rehearse` too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strixkit.display.rehearsal import failed, lines
from strixkit.engine.events import ignore
from strixkit.errors import InputError
from strixkit.fleet import verbs
from strixkit.fleet.rehearse import Rehearsal, rehearse
from tests.box.lab import Lab

pytestmark = pytest.mark.box
UNIT = "llama-server-main.service"
SERVICE = "/var/lib/strixkit/services/main"
# The server's log is from the real Vulkan device of the box; its alignment is not RADV's, which is rehearsed.
ALIGNMENT_MIB = 0.05


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


def rehearsed(lab: Lab, *, prompt: int = 0) -> Rehearsal:
    [found] = rehearse(lab.host(), verbs.Access(), ignore, service="main", profiles={}, prompt=prompt)
    return found


def gated(lab: Lab) -> dict[str, Any]:
    """The newest gating of the box's journal."""
    entries = [json.loads(line) for line in lab.ssh("cat /var/lib/strixkit/journal.jsonl").splitlines()]
    found: dict[str, Any] = [entry for entry in entries if entry["event"] == "gated"][-1]
    return found


def main_pid(lab: Lab) -> str:
    return lab.ssh(f"systemctl show -p MainPID --value {UNIT}").strip()


@contextmanager
def without(lab: Lab, *paths: str) -> Iterator[None]:
    """These files are away for a while."""
    for path in paths:
        lab.ssh(f"mv {path} {path}.away")
    try:
        yield
    finally:
        for path in paths:
            lab.ssh(f"mv {path}.away {path}")


def test_before_the_first_deploy_there_is_nothing_to_rehearse(lab: Lab) -> None:
    found = rehearsed(lab)
    assert found.found.why.endswith("is not on the box yet")
    assert failed(found)
    assert "the formulas serve" in lines(found)[1]


def test_a_deploy_rehearses_and_the_journal_says_so(lab: Lab) -> None:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    points = [point for point in lab.points() if ":activate:" in point]
    assert [point.rpartition(":")[2] for point in points][:4] == ["main", "preflight", "dry run", "trial"]
    [check] = [check for check in gated(lab)["checks"] if check["name"] == "rehearsal"]
    assert check["ok"] is True
    assert check["text"].startswith("rehearsed: ")


def test_it_logs_what_the_real_device_logs(lab: Lab) -> None:
    """The gate has measured the server that computes, on the Vulkan device of the box."""
    measured = json.loads(lab.ssh(f"cat {SERVICE}/current/measured.json"))
    real = {row["key"]: row["measured_mib"] for row in measured["parts"] if not row["key"].startswith("process.")}
    sizes = {key: size.mib for key, size in rehearsed(lab).found.sizes.items()}
    assert len(sizes) >= 9
    assert sizes == pytest.approx(real, abs=ALIGNMENT_MIB)


def test_a_prompt_shows_what_grows(lab: Lab) -> None:
    found = rehearsed(lab, prompt=3000)
    assert not failed(found), lines(found)
    assert found.found.answered == 1
    assert [point.tokens for point in found.found.checkpoints][-1] == 2996
    text = "\n".join(lines(found))
    assert "computes nothing" in text
    assert "context checkpoints" in text


def test_a_prompt_that_no_slot_takes_is_bad_input(lab: Lab) -> None:
    with pytest.raises(InputError, match="takes a prompt of 1 to"):
        rehearsed(lab, prompt=1 << 30)


def test_it_runs_as_the_services_user_and_leaves_nothing_but_the_compiled_device(lab: Lab) -> None:
    rehearsed(lab)
    assert lab.ssh("systemctl list-units --all --no-legend 'strixkit-rehearsal*'") == ""
    owners = lab.ssh("find /var/cache/strixkit/rehearsal/ -type f -printf '%u %f\n' | sort -u").splitlines()
    assert {line for line in owners if line.endswith(".so")} == {"llama backend.so", "llama preload.so"}
    assert {line.split()[0] for line in owners} == {"llama"}
    assert lab.ssh("find /var/cache/strixkit/rehearsal /tmp /var/tmp -name 'model.gguf'") == ""


def test_a_release_that_takes_more_than_its_plan_has_is_refused(lab: Lab) -> None:
    """As if a formula were wrong: the plan's KV cache is made smaller than it is, and the budget with it."""
    before, pid = lab.current(), main_pid(lab)
    script = (
        "import glob, json, os\n"
        f"path = max(glob.glob('{SERVICE}/releases/*/manifest.json'), key=os.path.getmtime)\n"
        "found = json.load(open(path))\n"
        "plan, sizes = found['plan'], found['memory']\n"
        "for part in plan['parts']:\n"
        "    if part['key'] == 'main.KV.device': part['mib'] -= 100\n"
        "sizes['device_worst_mib'] -= 100\n"
        "plan['budget'] = dict(plan['budget'], device_mib=1, system_mib=1)\n"
        "json.dump(found, open(path, 'w'))\n"
    )

    def spoil() -> None:
        lab.ssh("python3 -", stdin=script)
        lab.ssh("touch /run/strixkit/go-on")

    lab.profile = "general"
    try:
        outcome = lab.deploy(hold_at="1:activate:release:main", on_held=spoil)
    finally:
        lab.profile = "coding"
    assert not outcome.ok
    assert "the dry run refuses it, nothing was stopped: it takes 100" in outcome.error
    assert (lab.running(), main_pid(lab)) == (before, pid)
    assert lab.deploy().changes == []


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (("/usr/bin/cc", "/usr/bin/gcc"), "no C compiler"),
        (("/usr/include/ggml-backend.h",), "no ggml-backend.h in /usr/include"),
    ],
)
def test_where_it_cannot_run_the_formulas_serve_and_it_says_why(lab: Lab, away: tuple[str, ...], words: str) -> None:
    lab.profile = "general" if lab.current_profile() == "coding" else "coding"
    with without(lab, *away):
        outcome = lab.deploy()
        found = rehearsed(lab)
    assert outcome.ok, (outcome.error, outcome.log)
    assert words in found.found.why
    notes = [event.text for event in lab.events if event.kind == "note"]
    assert any("not rehearsed, the formulas serve" in note and words in note for note in notes), notes
    [check] = [check for check in gated(lab)["checks"] if check["name"] == "rehearsal"]
    assert check["ok"] is None


def test_a_server_that_cannot_start_says_what_it_said(lab: Lab, tmp_path: Path) -> None:
    """The header of a model of an architecture that no server knows."""
    lab.ssh("cp /var/lib/strixkit/models/*.gguf /root/kept.gguf")
    path = lab.ssh("ls /var/lib/strixkit/models/*.gguf").split()[0]
    lab.ssh(f"sed -i s/qwen35/qwen99/g {path}")
    try:
        found = rehearsed(lab)
    finally:
        lab.ssh(f"cat /root/kept.gguf > {path}")
    assert "ended with 1 before it was ready" in found.found.failure
    assert any("qwen99" in line for line in lines(found)), lines(found)
