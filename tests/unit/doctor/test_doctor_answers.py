"""Answers that make no sense, do not come, or are hostile: they end one check at most, and never the doctor."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doctor_trees import Deployed, Tree, host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strixkit.config.catalogue import load_runtime
from strixkit.display.doctor import document, lines
from strixkit.display.result import dump
from strixkit.doctor.check import Examined, Point, Verdict, find
from strixkit.doctor.checks import CHECKS
from strixkit.doctor.diagnosis import diagnose, exit_code
from strixkit.doctor.evidence import Evidence, evidence_from
from strixkit.errors import RemoteError
from strixkit.fleet.doctor import Diagnosis
from strixkit.remote.agent import examine as agent
from strixkit.remote.agent import examine_units
from strixkit.remote.agent.examine import SECTIONS, examine
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.unread import Unread

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return Tree("strix-128gb-ready", tmp_path_factory.mktemp("tree")).answer()


def _diagnose(answer: Any) -> dict[str, Any]:
    found = diagnose(host(), load_runtime("rocmfp4"), answer)
    return {finding.id: finding for finding in found}


def test_every_section_is_known_to_the_controller() -> None:
    assert set(SECTIONS) | {"root", "unread", "silent"} == set(Evidence.model_fields)


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_section_of_nonsense_skips_what_needs_it(answer: dict[str, Any], section: str) -> None:
    before = _diagnose(answer)
    changed = copy.deepcopy(answer)
    changed["evidence"][section] = {"what": [1, {"is": "this"}]}
    after = _diagnose(changed)
    assert len(after) == len(CHECKS)
    differ = [name for name in after if after[name] != before[name]]
    assert all(after[name].verdict in (Verdict.SKIP, before[name].verdict) for name in differ)


def test_nonsense_is_called_so(answer: dict[str, Any]) -> None:
    changed = copy.deepcopy(answer)
    changed["evidence"]["listeners"] = "nobody"
    finding = _diagnose(changed)["ports"]
    assert (finding.verdict, finding.seen) == (Verdict.SKIP, ("the box's answer makes no sense",))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(section=st.sampled_from(sorted(Evidence.model_fields)), value=JSON)
def test_no_evidence_ends_the_doctor(answer: dict[str, Any], section: str, value: Any) -> None:
    changed = {**answer, "evidence": {**answer["evidence"], section: value}}
    if section != "silent" or value != ["facts"]:
        assert len(_diagnose(changed)) == len(CHECKS)


@given(JSON)
def test_evidence_of_anything(value: Any) -> None:
    assert isinstance(evidence_from(value), Evidence)


def test_too_much_is_no_evidence() -> None:
    evidence = evidence_from({"kernel_log": ["x"] * 1000, "mes": ["y" * 100000]})
    assert evidence.kernel_log is None
    assert evidence.mes is None
    assert evidence.why_unread("mes") == "the box's answer makes no sense"


def test_a_check_that_raises_is_skipped(answer: dict[str, Any]) -> None:
    def broken(examined: Examined) -> Iterator[Point]:
        yield from ()
        raise KeyError(examined.host.name)

    check = replace(CHECKS[0], look=broken)
    evidence = Evidence()
    finding = find(check, 1, Examined(host(), load_runtime("rocmfp4"), _facts(answer), evidence, None))  # type: ignore[arg-type]
    assert finding.verdict is Verdict.SKIP
    assert finding.seen == ("the box's answer makes no sense (KeyError)",)


def _facts(answer: dict[str, Any]) -> Any:
    from strixkit.host.facts_answer import facts_in

    return facts_in(answer, "strix01")


def test_facts_that_make_no_sense_are_an_error_of_the_host() -> None:
    with pytest.raises(RemoteError, match="the facts make no sense"):
        _diagnose({"facts": {"memory": 3}, "evidence": {}})


def test_facts_that_do_not_come_say_what_that_means(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="a driver that hangs"):
        _diagnose({"facts": None, "evidence": {"silent": ["facts"], "unread": {"facts": "no answer within 50 s"}}})


def test_facts_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="its facts: RuntimeError: /proc/meminfo has no MemTotal"):
        _diagnose({"facts": None, "evidence": {"unread": {"facts": "RuntimeError: /proc/meminfo has no MemTotal"}}})


def test_a_section_without_an_answer_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of a driver that hangs never returns; the rest is told all the same, and the doctor says that it hangs."""
    never = threading.Event()

    def hangs(machine: Machine, request: Any) -> Any:
        never.wait()

    monkeypatch.setitem(agent.SECTIONS, "busy_percent", hangs)
    tree = Tree("strix-128gb-ready", tmp_path)
    begun = time.monotonic()
    answer = examine(Machine(str(tree.root)), {"services": ["main"], "ports": [8080], "user": "llama"}, seconds=1.0)
    assert time.monotonic() - begun < 30
    never.set()
    assert answer["evidence"]["silent"] == ["busy_percent"]
    assert "busy_percent" not in answer["evidence"]
    finding = _diagnose(json.loads(json.dumps(answer)))["wedged-gpu"]
    assert finding.verdict is Verdict.FAIL
    assert "the driver does not answer" in finding.seen[0]


def test_keys_stay_on_the_box(tmp_path: Path) -> None:
    tree = Tree("strix-128gb-ready", tmp_path)
    secret = "sk-0123456789"
    tree.deploy(
        Deployed(
            arguments=("--api-key", secret, f"--api-key={secret}", "--no-mmap"),
            environment={"LLAMA_API_KEY": secret, "HF_TOKEN": secret, "HSA_OVERRIDE_GFX_VERSION": "11.5.1"},
        )
    )
    answer = tree.answer()
    assert secret not in json.dumps(answer)
    [unit] = answer["evidence"]["units"]
    assert "--no-mmap" in unit["argv"]
    assert unit["environment"] == {"HSA_OVERRIDE_GFX_VERSION": "11.5.1"}


def test_who_is_not_root_says_what_it_could_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real machine as another user: here only the words of what needs root, see tests/box for the whole."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    tree = Tree("strix-128gb-ready", tmp_path)
    request = {"services": ["main"]}
    machine = Machine(str(tree.root))
    machine.root, root = "", machine.root
    monkeypatch.setattr(machine, "run", lambda *words, **limits: Machine(root).run(*words))
    with pytest.raises(Unread, match="only root may read what a service's binary lists"):
        examine_units.devices(machine, request)
    assert examine_units.user(machine, {"services": ["main"]})["why"] == "only root may try it as user llama"


def test_a_box_cannot_steer_the_terminal(answer: dict[str, Any]) -> None:
    changed = copy.deepcopy(answer)
    evil = "\x1b[2J\nstrix01: 0 FAIL"
    changed["evidence"]["unread"]["listeners"] = evil
    del changed["evidence"]["listeners"]
    changed["evidence"]["sleepers"] = [{"pid": 1, "command": f"llama{evil}"}]
    changed["facts"]["simulated"] = [f"gpu.{evil}"]
    found = tuple(_diagnose(changed).values())
    shown = "\n".join(lines([Diagnosis("strix01", found, "", exit_code(found))]))
    assert "\x1b" not in shown
    assert [line for line in shown.splitlines() if line.startswith("strix01: 0 FAIL")] == []
    dump(document([Diagnosis("strix01", found)])).encode("ascii")


def test_a_command_gets_its_environment_beside_its_words() -> None:
    """Everybody may read the command lines of all processes. And no command runs in a folder that is a user's."""
    done = Machine().run("sh", "-c", "pwd; echo $KEY-$HOME", environment={"KEY": "s3cret"})
    assert done == (0, "/\ns3cret-\n")
