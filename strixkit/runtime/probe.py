"""What strix-probe says (native/probe): a device's bandwidth, and whether it computes ROCmFP4 right. Untrusted.

The document's schema is in native/README.md. A box keeps the newest run of each backend, together with what it was true
for: the kernel and the drivers of that day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from strixkit.errors import RemoteError

MOST_BYTES = 256 * 1024  # of a document; one of all shapes has about 12 KiB
MOST_ROWS = 256
Backend = Literal["vulkan", "hip", "cpu"]

Text = Annotated[str, Field(max_length=256)]
Number = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]

# Packages whose version a backend's results belong to: names, or beginnings of them.
PACKAGES: dict[str, tuple[str, ...]] = {
    "vulkan": ("mesa-vulkan-drivers", "vulkan-radeon"),
    "hip": ("libamdhip64", "amdrocm", "rocm-hip", "rocm-runtime", "hipcc"),
    "cpu": (),
}


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Model = TypeVar("Model", bound=_Said)


class ProbedDevice(_Said):
    """A device as its driver describes it. software: it computes on the processor, and is no GPU."""

    backend: Backend
    index: Count
    name: Text
    type: Text
    vendor_id: Count
    device_id: Count
    architecture: Text = ""
    driver: Text
    driver_version: Text
    software: bool
    lanes: Count
    clock: Text = ""


class Peak(_Said):
    """What percentages refer to, GB/s (10^9 bytes/s)."""

    gbps: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    source: Text


class Bandwidth(_Said):
    """Reading or copying a large buffer. bytes: moved in one pass. gbps: the median of the samples."""

    name: Literal["read", "copy"]
    bytes: Count
    gbps: Number
    best_gbps: Number
    percent: Number | None
    samples: Count
    right: bool


class Product(_Said):
    """One matrix times a vector, held against the CPU. An error of None is no number; no gbps: only checked."""

    name: Text
    layout: Literal["fast", "dual"]
    input: Literal["f32", "f16"]
    rows: Count
    columns: Count
    copies: Count
    bytes: Count
    per_token: Count
    absolute_error: Number | None
    absolute_bound: Number | None
    relative_error: Number | None
    relative_bound: Number | None
    right: bool
    gbps: Number | None = None
    best_gbps: Number | None = None
    percent: Number | None = None
    samples: Count = 0

    @model_validator(mode="after")
    def _errors_within_bounds(self) -> Self:
        pairs = ((self.absolute_error, self.absolute_bound), (self.relative_error, self.relative_bound))
        # The bound that is told is rounded, and that of the worst row; a millionth is no difference.
        within = all(e is not None and b is not None and e <= b * (1 + 1e-6) for e, b in pairs)
        if self.right and not within:
            raise ValueError(f"{self.name}: an error above its bound is called right")
        return self


class Probe(_Said):
    """One run of strix-probe on one device."""

    schema_: Literal["strix-probe/1"] = Field(alias="schema")
    right: bool
    verdict: Text
    kernel: Text
    device: ProbedDevice
    peak: Peak | None
    bandwidth: Annotated[tuple[Bandwidth, ...], Field(max_length=MOST_ROWS)]
    matvec: Annotated[tuple[Product, ...], Field(min_length=1, max_length=MOST_ROWS)]
    weights_gbps: Number | None

    @model_validator(mode="after")
    def _one_verdict(self) -> Self:
        if self.right != (all(item.right for item in self.bandwidth) and all(item.right for item in self.matvec)):
            raise ValueError("its verdict is not that of its parts")
        if {item.name for item in self.bandwidth} != {"read", "copy"}:
            raise ValueError("bandwidth: wanted read and copy")
        return self

    @property
    def read(self) -> Bandwidth:
        """How fast it reads."""
        return next(item for item in self.bandwidth if item.name == "read")


class Run(_Said):
    """A run that a box keeps. at: seconds since 1970. drivers: versions of the packages that it belongs to."""

    at: Count
    kernel: Text
    drivers: Annotated[dict[Text, Text], Field(max_length=64)]
    result: Probe


class Saved(_Said):
    """The file that a box keeps: the newest run of each backend."""

    version: Literal[1]
    runs: Annotated[tuple[Run, ...], Field(max_length=8)]


def parse(document: str) -> Probe:
    """Read what strix-probe --json printed. Raises RemoteError, which names the field."""
    return _read(Probe, document, "strix-probe's answer")


def parse_saved(document: str) -> Saved:
    """Read the file that a box keeps. Raises RemoteError, which names the field."""
    return _read(Saved, document, "the kept results of strix-probe")


def _read(model: type[Model], document: str, what: str) -> Model:
    if len(document) > MOST_BYTES:
        raise RemoteError(f"{what}: {len(document)} characters, more than {MOST_BYTES}")
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:80] or "the document"
        raise RemoteError(f"{what} makes no sense: {where}: {first['msg'][:200]}") from error


def drivers_of(backend: str, packages: Mapping[str, str]) -> dict[str, str]:
    """The installed packages that a backend's results belong to, with their versions."""
    beginnings = PACKAGES.get(backend, ())
    return {name: version for name, version in sorted(packages.items()) if beginnings and name.startswith(beginnings)}


def kept(saved: Saved | None, probe: Probe, *, at: int, kernel: str, packages: Mapping[str, str]) -> dict[str, Any]:
    """The file with this run in it, as JSON values: an older one of the same backend goes."""
    run = Run(at=at, kernel=kernel, drivers=drivers_of(probe.device.backend, packages), result=probe)
    others = [item for item in saved.runs if item.result.device.backend != probe.device.backend] if saved else []
    return Saved(version=1, runs=(*others, run)).model_dump(mode="json", by_alias=True)


def outdated(run: Run, kernel: str, packages: Mapping[str, str]) -> str:
    """What has changed since the run, in words; empty: nothing that it depends on."""
    now = {"Linux": kernel, **drivers_of(run.result.device.backend, packages)}
    then = {"Linux": run.kernel, **run.drivers}
    changed = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    return ", ".join(f"{name} was {then.get(name, 'absent')}, is {now.get(name, 'absent')}" for name in changed)
