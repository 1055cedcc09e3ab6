"""Documents of strix-probe for tests: a real one, captured on lavapipe, and such as a Strix Halo would give."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data/probe"
LAVAPIPE = (DATA / "lavapipe.json").read_text()
KERNEL = "7.0.0-15-generic"
MESA = {"mesa-vulkan-drivers": "26.0.3-1ubuntu1"}


def strix(*, gbps: float = 215.0, peak: float | None = 256.0, right: bool = True) -> dict[str, Any]:
    """NOT captured: lavapipe's document with the identity of a Strix Halo and such rates."""
    document: dict[str, Any] = copy.deepcopy(json.loads(LAVAPIPE))
    document["device"] |= {
        "name": "AMD Radeon Graphics (RADV GFX1151)",
        "type": "integrated",
        "vendor_id": 0x1002,
        "device_id": 0x1586,
        "driver": "radv",
        "driver_version": "Mesa 26.0.3-1ubuntu1",
        "software": False,
        "lanes": 64,
    }
    document["kernel"] = KERNEL
    document["peak"] = None if peak is None else {"gbps": peak, "source": "LPDDR5X-8000, 256 bit"}
    for item in [*document["bandwidth"], *document["matvec"]]:
        if "gbps" in item:
            item |= {"gbps": gbps, "best_gbps": gbps, "percent": None if peak is None else 100 * gbps / peak}
    if not right:
        document["right"] = document["matvec"][-1]["right"] = False
        document["matvec"][-1] |= {"absolute_error": None, "relative_error": None}
    return document


def run(result: dict[str, Any], kernel: str = KERNEL, drivers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"at": 1790000000, "kernel": kernel, "drivers": MESA if drivers is None else drivers, "result": result}


def saved(*runs: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "runs": list(runs)})
