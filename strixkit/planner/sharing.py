"""What several services of one host hold of its memory, and what their plans may yet take. All sizes in MiB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from strixkit.planner.budget import NOTHING, Need, Neighbours

MOST_MIB = 1 << 30  # a pebibyte: more is no answer that could be planned with


class Sizes(BaseModel):
    """A plan's sizes as the manifest of its release keeps them; see `Part.when`."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    device_start_mib: float = Field(default=0.0, ge=0, le=MOST_MIB)
    host_start_mib: float = Field(default=0.0, ge=0, le=MOST_MIB)
    device_worst_mib: float = Field(default=0.0, ge=0, le=MOST_MIB)
    host_worst_mib: float = Field(default=0.0, ge=0, le=MOST_MIB)

    @property
    def start(self) -> Need:
        """When the server is ready."""
        return Need(self.device_start_mib, self.host_start_mib)

    @property
    def worst(self) -> Need:
        """The most that it will ever take."""
        return Need(self.device_worst_mib, self.host_worst_mib)


@dataclass(frozen=True)
class Neighbour:
    """Another service of the host: the worst of its plan, and what it holds now (nothing if it does not run)."""

    worst: Need
    held: Need = NOTHING


def holds(start: Need, measured: Need) -> Need:
    """What a running server holds: what it was planned to start with, and more if more was measured.

    Not all is seen on the device: HIP's allocations may not show in fdinfo, and a software device's are host
    memory. So the sum is what counts, and of it the device has at least its planned start.
    """
    total = max(start.device_mib + start.host_mib, measured.device_mib + measured.host_mib)
    device = max(start.device_mib, measured.device_mib)
    return Need(device, total - device)


def neighbours_of(others: Iterable[Neighbour]) -> Neighbours:
    """All of them together. One that holds more than its plan's worst makes no room for it."""
    held = promised = NOTHING
    for other in others:
        held += other.held
        promised += Need(
            max(0.0, other.worst.device_mib - other.held.device_mib),
            max(0.0, other.worst.host_mib - other.held.host_mib),
        )
    return Neighbours(held, promised)
