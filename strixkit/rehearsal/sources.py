"""The rehearsal device's source files: native/rehearsal of a checkout, or a copy inside the agent's zip.

Stands alone (standard library, Python 3.9): the agent on the box imports this same file.
"""

from __future__ import annotations

import os
import pkgutil

from strixkit.rehearsal.errors import RehearsalError

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "native", "rehearsal")
NAMES = (
    *("abi.h", "device.h", "device_abi2.c", "device_abi3.c", "entry.c", "memory.c", "memory.h"),
    *("order.c", "order.h", "preload.c", "settings.c", "settings.h"),
)
PACKED = "native"  # their folder in the zip, beside this module


def sources() -> dict[str, bytes]:
    """The files by name. Raises RehearsalError if they are not there."""
    return {name: _read(name) for name in NAMES}


def _read(name: str) -> bytes:
    path = os.path.join(FOLDER, name)
    try:
        if os.path.isfile(path):
            with open(path, "rb") as handle:
                return handle.read()
        data = pkgutil.get_data("strixkit.rehearsal", f"{PACKED}/{name}")
    except OSError:
        data = None
    if data is None:
        raise RehearsalError(f"native/rehearsal/{name} is not there: strixkit runs from its checkout")
    return data
