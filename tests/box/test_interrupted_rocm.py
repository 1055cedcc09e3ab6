"""At the points at which ROCm gets on a box or off it: the controller goes away, or the box loses power.

Afterwards apt works, and a plain deploy makes it so. A deploy without interruption names the points.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.box import rocm
from tests.box.interruptions import EVERY_RUN, INTERRUPTIONS, is_good, points_of, small_archive, taken
from tests.box.lab import Lab
from tests.box.rocm import Amd

pytestmark = [pytest.mark.box, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path, amd: Amd) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    assert lab.deploy().ok
    small_archive(lab)
    return lab


def bare(lab: Lab, amd: Amd) -> None:
    """Without ROCm, and the same repository in a file that is not ours."""
    packages = " ".join(package.name for package in rocm.PACKAGES)
    lab.ssh(
        f"dpkg --configure -a; dpkg --purge {packages}; rm -f {' '.join(rocm.FILES)} /etc/profile.d/strixkit-rocm.sh; "
        f"rm -f {rocm.LOADER}; ldconfig; "
        f"echo 'deb [signed-by=/x] {amd.server.url}/good noble main' > /etc/apt/sources.list.d/rocm.list"
    )
    rocm.wish(lab, "7.2")


@pytest.mark.parametrize(("interrupt", "every"), EVERY_RUN)
def test_on(lab: Lab, amd: Amd, interrupt: str, every: int) -> None:
    bare(lab, amd)
    assert lab.deploy().ok
    points = points_of(lab)
    for words in ("fetching", "trying", *(f"writing {path}" for path in rocm.FILES), "apt-get install", rocm.LOADER):
        assert any(words in point for point in points), words
    for point in taken(points, interrupt, every):
        bare(lab, amd)
        INTERRUPTIONS[interrupt](lab, point)
        _converges(lab, point)
        assert set(rocm.there(lab)) == set(rocm.FILES), point
        assert set(rocm.versions(lab, *rocm.NAMES)) == set(rocm.NAMES), point
        assert rocm.loaded_from(lab, amd) == rocm.LIBRARY, point
    is_good(lab, "rocm on")


@pytest.mark.parametrize(("interrupt", "every"), EVERY_RUN)
def test_off(lab: Lab, amd: Amd, interrupt: str, every: int) -> None:
    rocm.wish(lab, "7.2")
    assert lab.deploy().ok
    rocm.wish(lab, "none")
    assert lab.deploy().ok
    points = points_of(lab)
    for words in (*(f"removing {path}" for path in rocm.FILES), "apt-get purge", rocm.LOADER):
        assert any(words in point for point in points), words
    for point in taken(points, interrupt, every):
        rocm.wish(lab, "7.2")
        assert lab.deploy().ok
        rocm.wish(lab, "none")
        INTERRUPTIONS[interrupt](lab, point)
        _converges(lab, point)
        assert rocm.there(lab) == [], point
        assert rocm.versions(lab, *rocm.NAMES) == {}, point
        assert "/opt/rocm" not in lab.ssh("ldconfig -p"), point
    is_good(lab, "rocm off")


def _converges(lab: Lab, point: str) -> None:
    """Before anybody repairs anything every source works, or its file is not there; then a plain deploy makes it so."""
    lab.ssh("mkdir -p /run/strixkit && flock --shared /run/strixkit/job.lock true")
    if rocm.FILES[1] in rocm.there(lab):
        lab.ssh("apt-get update --error-on=any")
    outcome = lab.deploy()
    assert outcome.ok, (point, outcome.error, outcome.log)
    assert lab.deploy().changes == [], point
