"""In the phases of a build: the job is killed, or the box loses power. Afterwards the same build ends well.

In the middle of a compile: tests/box/test_build.py. The controller that goes away is of no concern to a job.
"""

from __future__ import annotations

import pytest

from strixkit import sandbox
from tests.box import builder
from tests.box.builder import Builder

pytestmark = [pytest.mark.box, pytest.mark.slow]
PHASES = ["checkout", "configure", "compile", "collect", "verify", "place"]  # at `fetch` nothing is done yet


@pytest.mark.parametrize(
    ("how", "phases"),
    [
        pytest.param("job", PHASES[::2], id="job, some"),
        pytest.param("power", PHASES[1::2], id="power, some"),
        *(pytest.param(how, PHASES, id=f"{how}, all", marks=pytest.mark.nightly) for how in ("job", "power")),
    ],
)
def test_interrupted_in_its_phases(building: Builder, commit: str, how: str, phases: list[str]) -> None:
    spec = building.spec(commit, environment={"EVERY": how})
    for phase in phases:
        building.forget(spec)
        point = f"0:build:build:toy:{phase}"
        if how == "job":
            builder.abandoned(building, spec, point, lambda: builder.kill_job(building))
        else:
            builder.abandoned(building, spec, point, lambda: sandbox.power_cut(building.lab.box.name))
            sandbox.start(building.lab.box.name)
        assert building.state(spec) != "finished", phase
        result = building.run(spec)
        assert result["ok"], (phase, result)
        builder.finished(building, spec)
