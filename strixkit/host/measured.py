"""What the gates of a host have measured, for the plans of services in the same circumstances. A box's answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from pydantic import Field, JsonValue, ValidationError

from strixkit.planner.facts import Answered
from strixkit.planner.measured import Measured, Seen
from strixkit.planner.profile import Profile
from strixkit.planner.shape import ModelShape
from strixkit.planner.sharing import MOST_MIB


class Buffer(Answered):
    """A compute buffer under the key of its part, in MiB."""

    key: str = Field(pattern=r"^\w+\.compute\.\w+$")
    measured_mib: float = Field(ge=0, le=MOST_MIB, allow_inf_nan=False)
    largest_mib: float = Field(ge=0, le=MOST_MIB, allow_inf_nan=False)


class Measurement(Answered):
    """Those of one release, as its gate has stored them."""

    at: str
    circumstances: str
    settings: str
    compute: tuple[Buffer, ...]


def circumstances_of(runtime: str, shape: ModelShape, profile: Profile, environment: Mapping[str, str]) -> str:
    """Hash of what a measurement depends on beside the settings of the run.

    runtime: identity of the binary and its libraries. Without one the answer is empty, which agrees with nothing.
    """
    if not runtime:
        return ""
    declared = {
        "runtime": runtime,
        "shape": shape.model_dump(mode="json"),
        "device": profile.device.model_dump(mode="json"),
        "draft_layers": profile.draft.gpu_layers,
        "environment": dict(environment),
    }
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:12]


def measured_in(answers: Iterable[JsonValue], circumstances: str) -> Measured:
    """What was measured in these circumstances, the newest for each set of settings.

    An answer that makes no sense is no measurement: the formulas serve.
    """
    found = [measurement for answer in answers if (measurement := _read(answer)) is not None]
    return {
        item.settings: {buffer.key: Seen(buffer.measured_mib, buffer.largest_mib) for buffer in item.compute}
        for item in sorted(found, key=lambda item: item.at)
        if item.circumstances == circumstances and circumstances
    }


def _read(answer: JsonValue) -> Measurement | None:
    try:
        return Measurement.model_validate(answer)
    except ValidationError:
        return None
