"""What a dry run makes of a server's log, and of an answer that no honest child would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roles.server.role import TOLERANCE
from strixkit.remote.agent import dryrun, transient
from strixkit.runtime.buffers import parse_log

LOG = (Path(__file__).parents[2] / "data/log/memory-0.7.0-vulkan.txt").read_text()
SIZES = {"weights": 11.72, "KV cache": 4.0, "recurrent state": 1.64, "compute": 4.51}
KEYS = {"weights": "model", "KV cache": "KV", "recurrent state": "RS", "compute": "compute"}


def part(key: str, name: str, mib: float, *, exact: bool = True) -> dict[str, Any]:
    where = key.rpartition(".")[2]
    return {"key": key, "name": name, "where": where, "mib": mib, "exact": exact, "when": "start"}


def manifest(*, device_mib: float = 30.0, system_mib: float = 100.0, unified: bool = True, less: float = 0.0) -> Any:
    """A plan that is what the log says, but for `less` MiB of its KV cache; 30 MiB on the device at its worst."""
    parts = [part(f"main.{KEYS[name]}.device", name, mib - less * (name == "KV cache")) for name, mib in SIZES.items()]
    parts += [part("draft.KV.device", "draft KV cache", 2.0), part("draft.compute.device", "draft compute", 3.26)]
    parts += [part("main.model.host", "token embedding", 0.13), part("main.output.host", "output", 0.001)]
    parts += [part("draft.output.host", "draft output", 0.001)]
    parts += [part("main.compute.host", "compute (host)", 3.01), part("draft.compute.host", "draft compute", 2.51)]
    parts += [part("process.driver.device", "driver", 700.0, exact=False)]
    return {
        "plan": {
            "parts": parts,
            "gpu_layers": 999,
            "sequence": 4096,
            "tolerance": TOLERANCE,
            "budget": {"device_mib": device_mib, "system_mib": system_mib, "unified": unified},
        },
        "memory": {"device_worst_mib": 30.0 - less, "host_worst_mib": 10.0},
    }


def verdicts(given: Any, log: str = LOG) -> list[tuple[bool | None, str]]:
    return [(check["ok"], check["text"]) for check in dryrun.judge(given, parse_log(log))]


def test_a_plan_that_was_right() -> None:
    assert verdicts(manifest()) == [(True, "rehearsed: 32.78 MiB logged (planned 32.78)")]


def test_what_is_less_than_the_budget_has_is_no_reason_to_refuse() -> None:
    assert verdicts(manifest(less=3.0)) == [(True, "rehearsed: 32.78 MiB logged (planned 29.78)")]


def test_more_than_the_device_has() -> None:
    text = "it takes 3.0 MiB more than planned: 30 MiB of the device at its worst, which has 28"
    assert verdicts(manifest(less=3.0, device_mib=28.0)) == [(False, text)]


@pytest.mark.parametrize(("unified", "refused"), [(True, True), (False, False)])
def test_device_and_host_share_what_the_system_has_unless_a_carve_out_parts_them(unified: bool, refused: bool) -> None:
    found = verdicts(manifest(less=3.0, system_mib=38.0, unified=unified))
    text = "it takes 3.0 MiB more than planned: 40 MiB of system memory at its worst, which has 38"
    assert found == [(False, text)] if refused else found[0][0] is True


def test_a_kept_choice_that_is_more_than_what_is_free_now_is_not_refused() -> None:
    assert verdicts(manifest(device_mib=5.0, system_mib=5.0))[0][0] is True


def test_a_size_that_the_log_has_rounded_refuses_nothing() -> None:
    assert verdicts(manifest(less=0.05, device_mib=29.95))[0][0] is True
    assert verdicts(manifest(less=0.5, device_mib=29.5))[0][0] is False


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("offloaded 10/10 layers", "offloaded 3/10 layers", "3 of 10 layers reached the device"),
        ("n_ctx_seq             = 4096", "n_ctx_seq             = 2048", "a context of 2048 for a slot"),
    ],
)
def test_layers_and_context_are_as_planned(old: str, new: str, words: str) -> None:
    assert old in LOG
    [(ok, text)] = verdicts(manifest(), LOG.replace(old, new))
    assert (ok, words in text) == (False, True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "the release was made by an older strixkit"),
        ({"rehearsal": {"device": "", "headers": ["/usr/include"]}}, "the service uses no GPU"),
        ({"rehearsal": {"device": "Vulkan0", "headers": []}}, "model /none.gguf is not on the box yet"),
    ],
)
def test_what_cannot_be_rehearsed_says_why(changes: dict[str, Any], why: str) -> None:
    given = {"model": {"path": "/none.gguf"}, **changes}
    assert dryrun.hold(given, []).why == why
    [check] = dryrun.check(given)
    assert (check["ok"], check["text"]) == (None, f"not rehearsed, the formulas serve: {why}")


def test_root_is_never_the_services_user() -> None:
    with pytest.raises(ValueError, match="root"):
        transient.as_user("root")
    assert transient.as_user("no-such-user-here") == ["--property=DynamicUser=yes"]
    assert transient.as_user("nobody")[0] == "--uid=nobody"


def test_an_honest_answer_is_read() -> None:
    text = LOG + "\nrehearsal: at most 1234.50 MiB of device memory were taken at once\n"
    answer = {"log": text, "failure": "", "answered": 1, "seconds": 1.5}
    found = dryrun._read(answer)
    assert (found.why, found.answered, found.peak_mib, found.seconds) == ("", 1, 1234.5, 1.5)
    given = json.loads(json.dumps(dryrun.to_json(found)))
    assert given["sizes"]["main.KV.device"] == {"mib": 4.0, "largest_mib": 4.0}
    assert given["offloaded"] == [10, 10]


@pytest.mark.parametrize(
    "answer", [[], None, "nonsense", {"log": ""}, {"log": "", "failure": "", "answered": "x", "seconds": 1}]
)
def test_nonsense_is_no_answer(answer: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        dryrun._read(answer)
