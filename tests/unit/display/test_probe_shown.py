"""The table of measured beside ceiling, and its JSON."""

from __future__ import annotations

import json

from strixkit.display.probe import SOFTWARE, Decoding, document, lines
from strixkit.planner.ceiling import Ceiling, Traffic
from strixkit.runtime.probe import parse
from tests.unit.probe_documents import LAVAPIPE, strix

PLAIN = Ceiling(Traffic(weights=13.7e9, kv=0.0, state=0.3e9), 1.0, 215.0)
DRAFTED = Ceiling(Traffic(weights=13.7e9, kv=0.0, state=0.8e9, drafting=2.7e9), 3.655, 215.0)


def test_a_software_device_is_named_as_such() -> None:
    found = lines("box01", parse(LAVAPIPE))
    assert SOFTWARE in found[1]
    assert "not known" in next(line for line in found if line.startswith("  read"))
    assert "this software device (not a GPU) computes right" in found[-1]


def test_measured_beside_the_peak_and_the_ceilings() -> None:
    found = lines("strix01", parse(json.dumps(strix())), [Decoding("main, 0 tokens, f16", PLAIN, DRAFTED, 3)])
    assert not any(SOFTWARE in line for line in found)
    assert next(line for line in found if line.startswith("  read")).split() == ["read", "215.0", "256", "84", "yes"]
    assert any("decoding at most, at the measured 215.0 GB/s" in line for line in found)
    # 215 / 14, and 3.655 * 215 / 17.2
    wanted = "main, 0 tokens, f16 14.00 15.4 17.20 45.7 (3 drafts, 3.65 tokens a step)"
    assert " ".join(found[-1].split()) == wanted


def test_a_wrong_result_is_seen() -> None:
    found = lines("strix01", parse(json.dumps(strix(right=False))))
    assert "WRONG: error not a number of" in "\n".join(found)


def test_what_a_device_calls_itself_steers_no_terminal() -> None:
    probe = strix()
    probe["device"]["name"] = "\x1b[2Jfine\nstrix01: all is well"
    probe["matvec"][0]["name"] = "\x1b[31m"
    text = lines("strix01", parse(json.dumps(probe)))
    assert not any("\x1b" in line or "\n" in line for line in text)


def test_the_same_as_json() -> None:
    probe = parse(json.dumps(strix()))
    found = json.loads(json.dumps(document("strix01", probe, [Decoding("main", PLAIN, DRAFTED, 3)])))
    assert parse(json.dumps(found["probe"])) == probe
    [item] = found["decoding"]
    assert round(item["plain"]["tokens_per_second"], 2) == 15.36
    assert item["drafted"]["tokens"] == 3.655
