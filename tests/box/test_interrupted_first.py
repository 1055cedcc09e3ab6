"""At every point of a first deploy: the controller goes away, or the box loses power.

Afterwards a plain `deploy` always ends in a gated release. The points are not a list in this file: a deploy without
interruption names them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.box.interruptions import INTERRUPTIONS, RESET, is_good, points_of
from tests.box.lab import Lab

pytestmark = [pytest.mark.box, pytest.mark.slow]


# An archive of one package: the same apt reads it sixty times, in a tenth of the time that Debian's takes.
ARCHIVE = (
    "cd /srv/archive && apt-ftparchive packages . > Packages && rm -r /etc/apt/sources.list* /var/lib/apt/lists && "
    "echo 'deb [trusted=yes] file:/srv/archive ./' > /etc/apt/sources.list && apt-get update -qq"
)


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    lab = Lab(box, client, tiny_model)
    lab.ssh("apt-get update -qq && mkdir /srv/archive && cd /srv/archive && apt-get download -qq llama.cpp-tools")
    lab.ssh(ARCHIVE)
    return lab


@pytest.mark.parametrize("interrupt", INTERRUPTIONS)
def test_first_deploy(lab: Lab, interrupt: str) -> None:
    lab.profile = "coding"
    lab.ssh(RESET)
    assert lab.deploy().ok
    points = points_of(lab)
    assert any("apt-get install" in point for point in points)
    assert sum(point == "done" for point in lab.points()) == 2  # two stages
    for point in points:
        lab.ssh(RESET)
        INTERRUPTIONS[interrupt](lab, point)
        outcome = lab.deploy()
        assert outcome.ok, (point, outcome.error, outcome.log)
        is_good(lab, point)
        assert lab.deploy().changes == [], point
