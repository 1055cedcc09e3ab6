"""The parts of a server where a profile puts them, and what they need together."""

from __future__ import annotations

from strixkit.planner.budget import Need, need_of
from strixkit.planner.measured import Measured, with_measured
from strixkit.planner.parts import Part, parts
from strixkit.planner.profile import Profile
from strixkit.planner.run import Run
from strixkit.planner.shape import ModelShape


def placed_parts(shape: ModelShape, profile: Profile, run: Run, measured: Measured | None = None) -> tuple[Part, ...]:
    """The parts where they lie: without GPU layers all on the host. A partial offload counts as whole.

    measured: compute buffers that this runtime has had on this host with a model of this shape.
    """
    found = parts(shape, run)
    if profile.device.gpu_layers == 0:
        found = tuple(part.moved("host") for part in found)
    return with_measured(found, run, measured or {})


def worst_need(shape: ModelShape, profile: Profile, run: Run, measured: Measured | None = None) -> Need:
    """The most that the server will ever take, in MiB."""
    return need_of(placed_parts(shape, profile, run, measured))
