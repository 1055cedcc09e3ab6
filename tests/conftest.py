"""The order of the tests, and which of them one worker of pytest-xdist runs.

What one worker needs minutes for begins early, so that no other waits for it at the end.
"""

from __future__ import annotations

from typing import Any

import pytest

# Unit tests are first: they tell of most mistakes, and soon.
ORDER = ("vm", "slow", "box")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order files by the first of these marks that they have; within a file nothing changes."""
    items.sort(key=lambda item: next((place for place, mark in enumerate(ORDER) if item.get_closest_marker(mark)), -1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file belongs to one worker, as with `--dist loadfile`; so do all of tests/vm, which share one machine."""
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/vm" if nodeid.startswith("tests/vm/") else super()._split_scope(nodeid)

    return Files(config, log)
