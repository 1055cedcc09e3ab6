"""At the points of a changed deploy: the controller goes away, or the box loses power.

Until a plain `deploy` has brought the new release through its gate, the old one serves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.sandbox.tinymodel import EXPECTED_CONTENT
from tests.box.interruptions import EVERY_RUN, INTERRUPTIONS, is_good, points_of, taken
from tests.box.lab import Lab

pytestmark = [pytest.mark.box, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


@pytest.mark.parametrize(("interrupt", "every"), EVERY_RUN)
def test_changed_deploy(lab: Lab, interrupt: str, every: int) -> None:
    profiles = ["general", "coding"]
    lab.profile = "coding"
    assert lab.deploy().ok
    lab.profile = "general"
    assert lab.deploy().ok
    points = points_of(lab)
    assert any(point.endswith(":trial") for point in points)
    for number, point in enumerate(taken(points, interrupt, every)):
        old = lab.current()
        lab.profile = profiles[(number + 1) % 2]
        INTERRUPTIONS[interrupt](lab, point)
        _serves_gated(lab, old)
        outcome = lab.deploy()
        assert outcome.ok, (point, outcome.error, outcome.log)
        assert lab.current() != old
        is_good(lab, point)
        assert lab.deploy().changes == [], point


def _serves_gated(lab: Lab, old: str) -> None:
    """Before anybody repairs anything: after a power cut the box has booted into a release that passed its gate."""
    lab.ssh("mkdir -p /run/strixkit && flock --shared /run/strixkit/job.lock true")
    lab.ssh("for i in $(seq 300); do systemctl is-active -q llama-server-main.service && break; sleep 0.1; done")
    assert lab.running() in {old, *lab.gated()}
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
