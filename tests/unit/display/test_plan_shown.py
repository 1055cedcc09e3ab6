"""The memory plan as a person sees it: one bar over all memory, its table, and what runs now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strixkit.display.bar import bar_line, legend
from strixkit.planner.bar import Bar, Segment

SIZES = st.floats(0, 100_000)
NAMES = ("weights", "KV cache", "checkpoints", "host parts", "reserve")


def bar(total: float, **sizes: tuple[float, float]) -> Bar:
    """A bar of start and worst sizes (MiB); the rest is free."""
    segments = [
        Segment(name=name.replace("_", " "), start=start, full=worst, worst=worst)  # type: ignore[arg-type]
        for name, (start, worst) in sizes.items()
    ]
    start, worst = (total - sum(getattr(s, moment) for s in segments) for moment in ("start", "worst"))
    free = Segment(name="free", start=start, full=worst, worst=worst)
    return Bar(total_mib=total, segments=(*segments, free))


def test_a_letter_for_each_share_and_small_ones_for_what_comes_later() -> None:
    shown = bar(1000, weights=(200, 200), checkpoints=(0, 300), host_parts=(100, 150), reserve=(50, 50))
    assert bar_line(shown, 20, colours=False).plain == "[WWWWxxxxxxHHh=......]"


def test_colours_instead_of_letters_on_a_terminal() -> None:
    shown = bar(1000, weights=(200, 200), checkpoints=(0, 300))
    line = bar_line(shown, 10, colours=True)
    assert line.plain == "[█████.....]"
    assert [str(span.style) for span in line.spans] == ["blue", "dim red"]


@given(st.lists(st.tuples(SIZES, SIZES), min_size=5, max_size=5), st.floats(0, 100_000), st.integers(10, 118))
def test_the_line_is_as_wide_as_it_should_be_and_the_table_adds_up(
    sizes: list[tuple[float, float]], free: float, width: int
) -> None:
    grown = {name: (start, start + more) for name, (start, more) in zip(NAMES, sizes, strict=True)}
    total = sum(worst for _, worst in grown.values()) + free + 1
    shown = bar(total, **grown)
    assert len(bar_line(shown, width, colours=False).plain) == width + 2
    rows = [line.plain.split() for line in legend(shown, colours=False)]
    for column in (-4, -3, -2):
        assert abs(sum(int(row[column]) for row in rows[1:-1]) - int(rows[-1][column])) <= len(rows)
    assert rows[-1][-1] == "100.0"


def test_a_kept_plan_that_does_not_fit_has_less_than_nothing_free() -> None:
    shown = bar(1000, weights=(900, 900), checkpoints=(0, 400))
    assert bar_line(shown, 10, colours=False).plain == "[WWWWWWWWWx]"
    assert [line.plain.split() for line in legend(shown, colours=False)][-2:] == [
        [".", "free", "100", "-300", "-300", "-30.0"],
        ["all", "1000", "1000", "1000", "100.0"],
    ]
