"""docs/changes.md is what the roles wish now."""

from __future__ import annotations

from strixkit.changes.__main__ import PAGE, text


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text() == text(), "docs/changes.md is not up to date: run `python -m strixkit.changes`"
