"""The order of the tests: what one worker needs minutes for begins early, so that no other waits for it at the end."""

from __future__ import annotations

import pytest

# Unit tests are first: they tell of most mistakes, and soon.
ORDER = ("vm", "slow", "box")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order files by the first of these marks that they have; within a file nothing changes."""
    items.sort(key=lambda item: next((place for place, mark in enumerate(ORDER) if item.get_closest_marker(mark)), -1))
