"""What the agent imports only when it is asked for: that it is there, and that nothing else is read before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from strixkit.remote.agent import observe, steps
from strixkit.remote.agent.later import named
from strixkit.remote.bundle import bundle

LATER = {
    function.__name__
    for table in (observe.SINGLE, steps.STEPS)
    for function in table.values()
    if ":" in function.__name__
}


@pytest.mark.parametrize("place", sorted(LATER))
def test_each_function_is_there(place: str) -> None:
    assert callable(named(place))


@pytest.mark.parametrize("place", sorted(observe.PASSING.values()))
def test_each_list_of_what_passes_is_there(place: str) -> None:
    assert isinstance(named(place), tuple)


@pytest.mark.parametrize("module", ["observe", "steps"])
def test_nothing_is_read_that_is_not_asked_for(module: str, tmp_path: Path) -> None:
    agent = tmp_path / "agent.zip"
    agent.write_bytes(bundle())
    code = f"import sys; import strixkit.remote.agent.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(agent)}, capture_output=True, text=True, check=True
    )
    read = set(done.stdout.split())
    assert f"strixkit.remote.agent.{module}" in read
    names = {place.partition(":")[0] for place in LATER}
    assert len(names) > 10
    assert not read & {f"strixkit.remote.agent.{name}" for name in names}
