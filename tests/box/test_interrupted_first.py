"""At the points of a first deploy: the controller goes away, or the box loses power.

Afterwards a plain `deploy` always ends in a gated release. The points are not a list in this file: a deploy without
interruption names them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.box.interruptions import EVERY_RUN, INTERRUPTIONS, RESET, is_good, points_of, small_archive, taken
from tests.box.lab import Lab

pytestmark = [pytest.mark.box, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    small_archive(lab, "llama.cpp-tools")
    return lab


@pytest.mark.parametrize(("interrupt", "every"), EVERY_RUN)
def test_first_deploy(lab: Lab, interrupt: str, every: int) -> None:
    lab.profile = "coding"
    lab.ssh(RESET)
    assert lab.deploy().ok
    points = points_of(lab)
    assert any("apt-get install" in point for point in points)
    assert sum(point == "done" for point in lab.points()) == 2  # two stages
    for point in taken(points, interrupt, every):
        lab.ssh(RESET)
        INTERRUPTIONS[interrupt](lab, point)
        outcome = lab.deploy()
        assert outcome.ok, (point, outcome.error, outcome.log)
        is_good(lab, point)
        assert lab.deploy().changes == [], point
