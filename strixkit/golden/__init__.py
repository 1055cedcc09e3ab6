"""Completions that were recorded once, on a CPU, for a build to repeat before it is used.

A build that computes wrong logits still starts, lists its device and answers fluently. So each device is asked for the
same completion of a tiny model, and the log-probabilities of the likeliest tokens are compared with the recorded ones.

One file for each kind of model that a runtime loads (`loads` in profiles/runtimes): `rocmfp4.json` for the fork,
`stock.json` for llama.cpp. Recorded by `python -m strixkit.golden`, which also measures; see README.md here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def expected(loads: str) -> dict[str, Any] | None:
    """The recorded completion for what a runtime loads ("rocmfp4", "stock"); None when there is none.

    `model` is the file's name and `sha256` its hash; `arguments` are the server's, with {model}, {device} and {port};
    `request` is the body for /completion; `tokens` and `tolerance` (nats) are what is compared.
    """
    path = HERE / f"{loads}.json"
    if not path.is_file():
        return None
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def model(loads: str) -> Path:
    """The model's file of a recorded completion."""
    return HERE / str((expected(loads) or {})["model"])
