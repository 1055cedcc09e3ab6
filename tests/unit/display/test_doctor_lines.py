"""What a person sees of the doctor."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strixkit.display.doctor import document, explained, explanations, lines
from strixkit.display.result import dump
from strixkit.doctor.check import Finding, Verdict
from strixkit.doctor.checks import CHECKS
from strixkit.errors import InputError
from strixkit.fleet.doctor import Diagnosis


def _finding(id: str, rank: int, verdict: Verdict, group: str = "memory", **more: Any) -> Finding:
    values: dict[str, Any] = {
        "id": id,
        "rank": rank,
        "group": group,
        "question": f"Is {id} well?",
        "verdict": verdict,
        "seen": (f"seen of {id}",),
        "do": (f"do for {id}",) if verdict in (Verdict.FAIL, Verdict.WARN) else (),
        "mended_by": f"role of {id}",
        "link": f"https://example.org/{id}",
        "confidence": "several reports",
        "simulated": (),
    }
    return Finding(**{**values, **more})


FOUND = Diagnosis(
    "strix01",
    (
        _finding("a", 1, Verdict.PASS),
        _finding("b", 2, Verdict.SKIP),
        _finding("c", 3, Verdict.WARN, "rocm", confidence="one report"),
        _finding("d", 4, Verdict.FAIL, simulated=("gpu.gtt_total_bytes",)),
        _finding("e", 5, Verdict.FAIL, "kernel"),
        _finding("f", 6, Verdict.WARN),
    ),
    "",
    2,
)


def test_groups_and_checks_worst_first() -> None:
    assert lines([FOUND]) == [
        "strix01: memory",
        "  FAIL d [SIMULATED]: Is d well?",
        "       seen:  seen of d",
        "       do:    do for d",
        "       mends: role of d",
        "       link:  https://example.org/d",
        "  WARN f: Is f well?",
        "       seen:  seen of f",
        "       do:    do for f",
        "       mends: role of f",
        "       link:  https://example.org/f",
        "  SKIP b: seen of b",
        "  PASS a: seen of a",
        "strix01: kernel",
        "  FAIL e: Is e well?",
        "       seen:  seen of e",
        "       do:    do for e",
        "       mends: role of e",
        "       link:  https://example.org/e",
        "strix01: rocm",
        "  WARN c: Is c well? (one report)",
        "       seen:  seen of c",
        "       do:    do for c",
        "       mends: role of c",
        "       link:  https://example.org/c",
        "strix01: 2 FAIL, 2 WARN, 1 SKIP, 1 PASS",
        "strix01: SIMULATED facts (from /etc/strixkit/facts.d): gpu.gtt_total_bytes",
    ]


def test_several_hosts_and_one_that_is_not_there() -> None:
    shown = lines([FOUND, Diagnosis("strix02", (), "nobody answers\n  next: ssh strix02", 1)])
    assert shown[-2:] == ["", "strix02  ERROR: nobody answers   next: ssh strix02"]


def test_json_is_the_same() -> None:
    found = json.loads(dump(document([FOUND, Diagnosis("strix02", (), "nobody answers", 1)])))
    one, other = found["hosts"]
    assert [item["id"] for item in one["findings"]] == list("abcdef")
    assert one["findings"][3]["verdict"] == "FAIL"
    assert one["exit_code"] == 2
    assert (other["findings"], other["error"], other["exit_code"]) == ([], "nobody answers", 1)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_is_explained_with_a_source(check) -> None:
    shown = explained(check.id)
    text = "\n".join(shown)
    for title in ("looks at:", "why:", "verdicts:", "mends:", "how sure:", "source:   https://"):
        assert title in text
    assert max(map(len, shown)) <= 160


def test_all_are_explained_at_once() -> None:
    titles = [line.partition(":")[0] for line in explained("all") if line and not line.startswith(" ")]
    assert titles == [check.id for check in CHECKS]
    assert [item["id"] for item in explanations("all")["checks"]] == titles


def test_an_unknown_check_is_bad_input() -> None:
    with pytest.raises(InputError, match="did you mean 'gtt-limit'"):
        explained("gtt-limits")
