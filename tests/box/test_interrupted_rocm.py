"""At every point at which ROCm gets on a box or off it: the controller goes away, or the box loses power.

Afterwards apt works, and a plain deploy makes it so. A deploy without interruption names the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import rocm
from tests.box.interruptions import INTERRUPTIONS, is_good, points_of
from tests.box.lab import Lab
from tests.box.rocm import Amd

pytestmark = [pytest.mark.box, pytest.mark.slow]


@pytest.fixture(scope="module")
def amd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amd]:
    with rocm.served(tmp_path_factory.mktemp("amd")) as amd:
        yield amd


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path, amd: Amd) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    assert lab.deploy().ok
    return lab


def others(lab: Lab, amd: Amd) -> None:
    """Without ROCm, and the same repository in a file that is not ours."""
    rocm.wish(lab, "none")
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    lab.ssh(f"echo 'deb [signed-by=/x] {amd.server.url}/good noble main' > /etc/apt/sources.list.d/rocm.list")
    rocm.wish(lab, "7.2")


@pytest.mark.parametrize("interrupt", INTERRUPTIONS)
def test_on_and_off(lab: Lab, amd: Amd, interrupt: str) -> None:
    others(lab, amd)
    assert lab.deploy().ok
    on = points_of(lab)
    rocm.wish(lab, "none")
    assert lab.deploy().ok
    off = points_of(lab)
    for words in ("fetching", "trying", *(f"writing {path}" for path in rocm.FILES), "apt-get install"):
        assert any(words in point for point in on), words
    for words in (*(f"removing {path}" for path in rocm.FILES), "apt-get purge"):
        assert any(words in point for point in off), words
    for point in on:
        others(lab, amd)
        INTERRUPTIONS[interrupt](lab, point)
        _converges(lab, point)
        assert set(rocm.there(lab)) == set(rocm.FILES), point
        assert set(rocm.versions(lab, *rocm.NAMES)) == set(rocm.NAMES), point
    for point in off:
        rocm.wish(lab, "7.2")
        assert lab.deploy().ok
        rocm.wish(lab, "none")
        INTERRUPTIONS[interrupt](lab, point)
        _converges(lab, point)
        assert rocm.there(lab) == [], point
        assert rocm.versions(lab, *rocm.NAMES) == {}, point


def _converges(lab: Lab, point: str) -> None:
    """Before anybody repairs anything every source works, or its file is not there."""
    lab.ssh("mkdir -p /run/strixkit && flock --shared /run/strixkit/job.lock true")
    if lab.ssh(f"ls {rocm.FILES[1]} 2>/dev/null", check=False):
        lab.ssh("apt-get update --error-on=any")
    outcome = lab.deploy()
    assert outcome.ok, (point, outcome.error, outcome.log)
    assert lab.deploy().changes == [], point
    is_good(lab, point)
