"""What a person sees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strixkit.display.text import change_line, clean, diff_lines
from strixkit.resources.base import Change, Risk


@given(st.text())
def test_a_box_cannot_steer_the_terminal(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t" for char in clean(text))


def test_a_change_reads_from_to_and_risk() -> None:
    change = Change(resource="release:main", field="context.size", found="65536", wanted="262144", risk=Risk.RESTART)
    assert change_line(change) == "release:main  context.size: 65536 -> 262144  [restart]"


def test_a_text_change_is_shown_as_a_diff() -> None:
    change = Change(resource="file:/x", field="content", found="a\nb", wanted="a\nc", text=True)
    assert diff_lines(change)[-2:] == ["-b", "+c"]
