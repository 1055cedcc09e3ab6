"""What strix-probe says is believed only where it makes sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from strixkit.errors import RemoteError
from strixkit.planner import limits
from strixkit.runtime.probe import MOST_BYTES, drivers_of, kept, outdated, parse, parse_saved
from tests.unit.probe_documents import KERNEL, LAVAPIPE, MESA, run, saved, strix

Spoil = Callable[[dict[str, Any]], object]


def test_a_real_document() -> None:
    probe = parse(LAVAPIPE)
    assert probe.right
    assert probe.device.software
    assert probe.peak is None
    assert probe.read.percent is None
    assert {item.name for item in probe.matvec} == {"scale_bytes", "small_fast", "small_dual"}
    assert all(item.gbps is None for item in probe.matvec if item.name == "scale_bytes")


def test_a_wrong_result_may_have_no_number() -> None:
    probe = parse(json.dumps(strix(right=False)))
    assert not probe.right
    assert probe.matvec[-1].absolute_error is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d.update(schema="strix-probe/2"), "schema"),
        (lambda d: d.update(right=False), "verdict is not that of its parts"),
        (lambda d: d["matvec"][-1].update(right=False), "verdict is not that of its parts"),
        (lambda d: d["bandwidth"][0].update(right=False), "verdict is not that of its parts"),
        (lambda d: d["matvec"][0].update(absolute_error=1e9), "an error above its bound"),
        (lambda d: d["matvec"][0].update(relative_error=None), "an error above its bound"),
        (lambda d: d["matvec"].clear(), "matvec"),
        (lambda d: d["bandwidth"].pop(), "wanted read and copy"),
        (lambda d: d["bandwidth"][0].update(gbps=-1), "bandwidth.0.gbps"),
        (lambda d: d["bandwidth"][0].update(gbps=1e30), "bandwidth.0.gbps"),
        (lambda d: d["device"].update(name="x" * 300), "device.name"),
        (lambda d: d["device"].update(backend="cuda"), "device.backend"),
        (lambda d: d.update(peak={"gbps": 0, "source": ""}), "peak.gbps"),
        (lambda d: d.update(matvec=d["matvec"] * 50), "matvec"),
        (lambda d: d.pop("kernel"), "kernel"),
    ],
)
def test_what_makes_no_sense_is_named(spoil: Spoil, words: str) -> None:
    document = strix()
    spoil(document)
    with pytest.raises(RemoteError, match=words):
        parse(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', LAVAPIPE[:-5]])
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(RemoteError, match="strix-probe's answer makes no sense"):
        parse(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", '"1"'])
def test_what_is_no_rate(number: str) -> None:
    document = json.dumps(strix()).replace('"gbps": 215.0', f'"gbps": {number}', 1)
    assert number in document
    with pytest.raises(RemoteError, match=r"strix-probe's answer makes no sense: bandwidth\.0\.gbps"):
        parse(document)


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(RemoteError, match="more than"):
        parse(LAVAPIPE + " " * MOST_BYTES)
    assert limits.MOST_PROBE == MOST_BYTES


def test_a_box_keeps_the_newest_run_of_each_backend() -> None:
    vulkan, hip = strix(), strix(gbps=200)
    hip["device"]["backend"] = "hip"
    packages = {**MESA, "libamdhip64-6": "6.4.3-1", "tuned": "2.26"}
    first = kept(None, parse(json.dumps(vulkan)), at=1, kernel=KERNEL, packages=packages)
    both = kept(parse_saved(json.dumps(first)), parse(json.dumps(hip)), at=2, kernel=KERNEL, packages=packages)
    again = kept(parse_saved(json.dumps(both)), parse(json.dumps(vulkan)), at=3, kernel=KERNEL, packages=packages)
    found = parse_saved(json.dumps(again))
    assert [(item.result.device.backend, item.at) for item in found.runs] == [("hip", 2), ("vulkan", 3)]
    assert [dict(item.drivers) for item in found.runs] == [{"libamdhip64-6": "6.4.3-1"}, MESA]


def test_what_a_run_depends_on() -> None:
    [found] = parse_saved(saved(run(strix()))).runs
    assert outdated(found, KERNEL, {**MESA, "tuned": "9"}) == ""
    assert outdated(found, "7.0.0-16-generic", MESA) == f"Linux was {KERNEL}, is 7.0.0-16-generic"
    newer = {"mesa-vulkan-drivers": "26.1"}
    assert outdated(found, KERNEL, newer) == "mesa-vulkan-drivers was 26.0.3-1ubuntu1, is 26.1"
    assert outdated(found, KERNEL, {}) == "mesa-vulkan-drivers was 26.0.3-1ubuntu1, is absent"


def test_the_processor_has_no_driver() -> None:
    assert drivers_of("cpu", MESA) == {}
