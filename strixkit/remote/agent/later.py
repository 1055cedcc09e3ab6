"""A function that is imported when it is called.

The agent comes to a box as source, which Python compiles anew in each session; one asks little of what there is.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable


def later(place: str) -> "Callable[..., Any]":
    """The function at `module:name`, a module of the agent."""

    def call(*arguments: Any) -> Any:
        return named(place)(*arguments)

    call.__name__ = place
    return call


def named(place: str) -> Any:
    """What there is at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module("strixkit.remote.agent." + module), name)
