"""The command line as a user types it: exit codes, stdout that is JSON only, mistakes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

ROOT = Path(__file__).parent.parent.parent
FACTS = {size: ROOT / f"tests/data/facts/framework-{size}gb.json" for size in (64, 128)}


def invoke(*words: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "invoke"
    environment = {**os.environ, "COLUMNS": "160", **variables}
    return subprocess.run(
        [program, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def test_plan_without_a_box_shows_memory_and_unit() -> None:
    done = invoke("plan", "--host", "strix01", "--facts", str(FACTS[128]))
    assert done.returncode == 0, done.stderr
    assert "-c 262144" in done.stdout
    assert "-ctk f16 -ctv f16 -cpent 256 -ctxcp 32" in done.stdout
    assert "flags as recorded in the catalogue" in done.stdout


def test_rendered_unit(snapshot: SnapshotAssertion) -> None:
    """The whole unit for the 128 GB box, as reviewed."""
    done = invoke("plan", "--host", "strix01", "--facts", str(FACTS[128]))
    unit = done.stdout.partition("--- llama-server-main.service")[2].partition("\n")[2]
    # Which commit is locked decides both, and nothing else of it.
    unit = re.sub(r"builds/rocmfp4-[^/]+/", "builds/rocmfp4-BUILD/", unit)
    unit = re.sub(r"(Release |STRIXKIT_DIGEST=)[0-9a-f]{12}", r"\1DIGEST", unit)
    assert unit == snapshot


def memory_plan(done: subprocess.CompletedProcess[str]) -> str:
    """What is printed of memory, without the units."""
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.partition(": service ")[2].partition("\n--- ")[0]


@pytest.fixture
def raised(tmp_path: Path) -> Path:
    """The 64 GB box with its GTT limit raised from half of the memory to 57,344 MiB."""
    facts = json.loads(FACTS[64].read_text())
    facts["facts"]["gpu"]["gtt_total_bytes"] = 57344 << 20
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(facts))
    return path


def test_the_plan_of_the_128_gb_box_is_the_cards(snapshot: SnapshotAssertion) -> None:
    done = invoke("plan", "--host", "strix01", "--facts", str(FACTS[128]))
    assert memory_plan(done) == snapshot


def test_the_plan_of_a_64_gb_box_with_its_default_limit(snapshot: SnapshotAssertion) -> None:
    assert memory_plan(invoke("plan", "--host", "strix02", "--facts", str(FACTS[64]))) == snapshot


def test_facts_that_make_no_sense_are_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text('{"facts": {"memory": 3}}')
    done = invoke("plan", "--host", "strix02", "--facts", str(path))
    assert done.returncode == 2
    assert f"facts file {path}: facts.hostname: Field required" in done.stdout + done.stderr


def test_without_colours_the_bar_has_letters_on_a_terminal_too() -> None:
    words = ("plan", "--host", "strix02", "--facts", str(FACTS[64]))
    assert "[WWW" in invoke(*words, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").stdout
    assert "[WWW" not in invoke(*words, FORCE_COLOR="1", NO_COLOR="", TERM="xterm").stdout


def test_the_plan_of_a_64_gb_box_with_a_raised_limit(raised: Path, snapshot: SnapshotAssertion) -> None:
    assert memory_plan(invoke("plan", "--host", "strix02", "--facts", str(raised))) == snapshot


def test_the_plan_of_a_64_gb_box_beside_a_second_service(
    raised: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    (tmp_path / "inventory.yaml").write_text(
        "all: {hosts: {strix02: {strix_runtime: rocmfp4, strix_model: qwen3.6-27b-mtp, strix_services: "
        "{helper: {profile: small, port: 8081}, main: {profile: coding, port: 8080}}}}}"
    )
    words = ("--host", "strix02", "--facts", str(raised), "--inventory", str(tmp_path / "inventory.yaml"))
    assert memory_plan(invoke("plan", *words)) == snapshot


def test_json_has_all_of_the_plan(raised: Path) -> None:
    done = invoke("plan", "--host", "strix02", "--facts", str(raised), "--json")
    plan = json.loads(done.stdout)["hosts"][0]["services"]["main"]
    for moment in ("start", "full", "worst"):
        assert sum(segment[moment] for segment in plan["bar"]["segments"]) == pytest.approx(plan["bar"]["total_mib"])
    assert {reason["option"] for reason in plan["reasons"]} == set(plan["options"])
    assert [item["wish"] for item in plan["unmet"]] == ["cache.checkpoints", "cache.ram_mib"]
    remedy = {"what": "context", "value": 147456, "words": "context 147456", "pin": {}}
    assert plan["unmet"][0]["remedies"][0] == remedy
    assert plan["runner_up"]["choice"]["kv"] == "q8_0"
    assert plan["running"] == {"release": "", "active": False, "choice": {}, "differences": []}
    assert (plan["profile"], plan["model"], plan["variant"]) == ("coding", "qwen3.6-27b-mtp", "embF16")
    assert re.search(r"\nExecStart=/var/lib/strixkit/builds/rocmfp4-[^/ ]+/llama-server -m ", plan["unit"])


def test_json_is_one_document_and_nothing_else() -> None:
    done = invoke("plan", "--host", "strix01", "--facts", str(FACTS[128]), "--json")
    document = json.loads(done.stdout)
    [host] = document["hosts"]
    assert host["services"]["main"]["options"]["context.size"] == 262144
    assert {change["resource"] for change in host["changes"]} >= {"user:llama", "release:main"}


def test_a_smaller_box_gets_a_smaller_plan() -> None:
    done = invoke("plan", "--host", "strix02", "--facts", str(FACTS[64]), "--json")
    plan = json.loads(done.stdout)["hosts"][0]["services"]["main"]
    assert plan["full_mib"] <= plan["budget_mib"]
    assert plan["options"]["context.size"] < 262144


def test_check_exits_3_when_something_differs() -> None:
    assert invoke("plan", "--host", "strix01", "--facts", str(FACTS[128]), "--check").returncode == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--host", "strix1"], "strix01"),
        (["--host", "strix01", "--profile", "codign"], "coding"),
        (["--host", "strix01", "--service", "nope"], "no service nope"),
        (["--host", "strix01", "--inventory", "nowhere.yaml"], "nowhere.yaml"),
        (["--host", "strix01", "--facts", "nowhere.json"], "nowhere.json"),
    ],
)
def test_bad_input_exits_2_and_says_what_is_near(words: list[str], message: str) -> None:
    done = invoke("plan", *(["--facts", str(FACTS[128])] if "--facts" not in words else []), *words)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "verb", ["deploy", "plan", "audit", "switch", "rollback", "trust", "key", "ask", "journal", "doctor"]
)
def test_no_host_is_bad_input_and_says_which_there_are(verb: str) -> None:
    done = invoke(verb, *{"switch": ["--profile", "coding"], "ask": ["--text", "x"]}.get(verb, []))
    assert done.returncode == 2
    assert "no host is named; inventory.yaml has hosts strix01, strix02" in done.stderr
    assert "groups all, strix, sandbox" in done.stderr
    assert "--host NAME" in done.stderr


def test_no_profile_and_no_text_are_bad_input() -> None:
    profile, text = invoke("switch", "--host", "box01"), invoke("ask", "--host", "box01")
    assert (profile.returncode, text.returncode) == (2, 2)
    assert "there are coding, faithful, fast, general, long-context, small" in profile.stderr
    assert "--text" in text.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["deploy"],
        ["deploy", "--host", "strix1"],
        ["deploy", "--host", "strix01", "--at-once", "-1"],
        ["deploy", "--host", "strix01", "--at-once", "0"],
        ["deploy", "--host", "strix01", "--reboot-timeout", "x"],
        ["rehearse", "--host", "strix01", "--prompt", "abc"],
        ["deploy", "--host", "strix01", "--reboot", "--reboot-timeout", "-10"],
        ["switch", "--host", "strix01"],
        ["plan", "--host", "strix01", "--service", "nope"],
        ["audit", "--host", "strix01", "--inventory", "nowhere.yaml"],
        ["rollback", "--host", "nope"],
        ["journal", "--host", "all"],
    ],
)
def test_bad_input_is_one_json_document_too(words: list[str]) -> None:
    done = invoke(*words, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert document["hosts"] == []
    assert f"error: {document['error']}" in done.stderr


@pytest.mark.parametrize("flags", [[], ["--reboot"]])
def test_the_plan_of_a_bare_box_ends_with_the_reboot_that_it_needs(flags: list[str]) -> None:
    bare = ("plan", "--host", "strix01", "--facts", str(ROOT / "tests/data/facts/bare/framework-128gb.json"), *flags)
    done = invoke(*bare)
    assert done.returncode == 0, done.stderr
    needed = "reboot needed for: ttm.pages_limit, amd_iommu (invoke deploy --host strix01 --reboot)"
    assert done.stdout.splitlines()[-1] == f"strix01  {needed}"
    assert ("GTT 110,592 MiB" in done.stdout) == bool(flags)
    assert invoke(*bare, "--check").returncode == 3
    [host] = json.loads(invoke(*bare, "--json").stdout)["hosts"]
    assert host["ok"]
    assert [change["field"] for change in host["pending"]] == ["ttm.pages_limit (live)", "amd_iommu (live)"]
    assert "reboot" not in {change["risk"] for change in host["changes"]}


@pytest.mark.parametrize("verb", ["switch", "rollback"])
def test_only_a_deploy_reboots(verb: str) -> None:
    assert "--reboot" not in invoke("--help", verb).stdout


def test_another_init_is_refused(tmp_path: Path) -> None:
    facts = json.loads(FACTS[128].read_text())
    facts["facts"]["init"] = "openrc-init"
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    done = invoke("plan", "--host", "strix01", "--facts", str(tmp_path / "facts.json"))
    assert done.returncode == 2
    assert "PID 1 is openrc-init, wanted systemd" in done.stdout


def test_nothing_fits_says_what_would(tmp_path: Path) -> None:
    facts = json.loads(FACTS[64].read_text())
    facts["facts"]["memory"]["available_bytes"] = 12 << 30
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    done = invoke("plan", "--host", "strix02", "--facts", str(tmp_path / "facts.json"))
    assert done.returncode == 2
    assert "MiB" in done.stdout


def test_list_names_every_verb() -> None:
    done = invoke("--list")
    for verb in (
        "demo",
        "deploy",
        "plan",
        "switch",
        "rollback",
        "trust",
        "key",
        "sandbox",
        "journal",
        "ask",
        "audit",
        "profiles",
    ):
        assert f"  {verb} " in done.stdout


TINY = "tests/data/gguf/tiny-pred-strix.gguf"


def test_inspect_shows_a_file_and_which_runtimes_load_it(tmp_path: Path) -> None:
    done = invoke("inspect", TINY)
    assert done.returncode == 0, done.stderr
    assert "2 attention, 6 recurrent, 1 MTP" in done.stdout
    assert "runtime debian: cannot load it: does not know q4_0_rocmfp4_fast (59 tensors)" in done.stdout
    document = json.loads(invoke("inspect", TINY, "--json").stdout)
    assert document["template"]["preserve_thinking"] is True
    assert document["files"] == [{"name": TINY, "size": 3499776, "tensors": 124}]


def test_inspect_of_a_file_that_is_not_whole_says_so_and_exits_2(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((ROOT / TINY).read_bytes()[:100_000])
    done = invoke("inspect", str(cut))
    assert done.returncode == 2
    assert "problem: the file is truncated: it has 100000 bytes, its tensors need 3499776" in done.stdout
    assert json.loads(invoke("inspect", str(cut), "--json").stdout)["problems"]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nowhere.gguf", "nowhere.gguf is not there"),
        ("README.md", "not a GGUF file"),
        ("strix1:/srv/m.gguf", "did you mean 'strix01'?"),
        ("ftp://example.org/m.gguf", "wanted http or https"),
    ],
)
def test_inspect_of_what_is_no_gguf_is_bad_input(file: str, words: str) -> None:
    done = invoke("inspect", file, "--json")
    assert done.returncode == 2
    assert words in json.loads(done.stdout)["error"]


def test_profiles_is_a_matrix_of_all_captured_boxes() -> None:
    done = invoke("profiles")
    assert done.returncode == 0, done.stderr
    assert "framework-128gb  f16   3 f16      262144   2048           32      0  32821  66880  110592" in done.stdout
    assert "coding does not fit framework-32gb: context 65536 with q8_0 KV needs" in done.stdout
    found = json.loads(invoke("profiles", "--facts", str(FACTS[64]), "--facts", str(FACTS[128]), "--json").stdout)
    assert {cell["box"] for cell in found["cells"]} == {"framework-64gb", "framework-128gb"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--facts", "nowhere.json"], "facts file nowhere.json"),
        (["--model", "tiny"], "no shape in the catalogue"),
        (["--runtime", "debain"], "did you mean 'debian'?"),
    ],
)
def test_profiles_of_what_is_not_there_is_bad_input(words: list[str], message: str) -> None:
    done = invoke("profiles", *words, "--json")
    assert done.returncode == 2
    assert message in json.loads(done.stdout)["error"]


@pytest.mark.parametrize("words", ["--json", ""])
def test_a_reader_that_has_left_gets_no_traceback(words: str) -> None:
    program = Path(sys.executable).parent / "invoke"
    plan = f"{program} plan --host strix01 --facts {FACTS[128]} {words}"
    command = f"{plan} | {{ exec 0<&-; sleep 5; }}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""


def test_a_check_is_explained_without_a_box() -> None:
    done = invoke("doctor", "--explain", "gtt-limit", "--json")
    assert done.returncode == 0, done.stderr
    [check] = json.loads(done.stdout)["checks"]
    assert check["id"] == "gtt-limit"
    done = invoke("doctor", "--explain", "gtt-limits")
    assert done.returncode == 2
    assert "did you mean 'gtt-limit'" in done.stderr
