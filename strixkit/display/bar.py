"""The bar of a host's memory: letters in a pipe or without colours, else blocks, and the table that is its legend."""

from __future__ import annotations

from rich.text import Text

from strixkit.display.columns import columns
from strixkit.planner.bar import Bar, Name, Segment

# Each segment's letter and colour. In lower case (and darker): what it grows by after the start.
LOOK: dict[Name, tuple[str, str]] = {
    "weights": ("W", "blue"),
    "KV cache": ("K", "green"),
    "recurrent state": ("R", "cyan"),
    "draft": ("D", "magenta"),
    "compute": ("C", "yellow"),
    "checkpoints": ("X", "red"),
    "prompt cache": ("P", "bright_red"),
    "host parts": ("H", "bright_yellow"),
    "driver": ("V", "bright_blue"),
    "other services": ("O", "bright_magenta"),
    "system": ("S", "white"),
    "reserve": ("=", "bright_black"),
    "free": (".", "default"),
}
BLOCK = "\N{FULL BLOCK}"


def bar_line(bar: Bar, width: int, *, colours: bool) -> Text:
    """One line of `width` cells over all memory, as it is at the worst."""
    line = Text("[")
    for segment, grown, cells in _cells(bar, width):
        letter, colour = LOOK[segment.name]
        if colours and segment.name != "free":
            line.append(BLOCK * cells, style=f"dim {colour}" if grown else colour)
        else:
            line.append((letter.lower() if grown else letter) * cells)
    return line.append("]")


def legend(bar: Bar, *, colours: bool) -> list[Text]:
    """A row for each segment that has a size, and their sum."""
    shown = [s for s in bar.segments if max(s.start, s.full, s.worst) > 0 or s.name == "free"]
    rows = [("", "memory of the machine, MiB", "start", "full", "worst", "%")]
    rows += [(LOOK[s.name][0], s.name, *_numbers(s.start, s.full, s.worst, bar.total_mib)) for s in shown]
    sums = [sum(getattr(s, moment) for s in bar.segments) for moment in ("start", "full", "worst")]
    rows.append(("", "all", *_numbers(sums[0], sums[1], sums[2], bar.total_mib)))
    lines = [Text(line) for line in columns(rows, right=(2, 3, 4, 5))]
    if colours:
        for line, segment in zip(lines[1:], shown, strict=False):
            line.stylize(LOOK[segment.name][1], 0, 1)
    return lines


def _numbers(start: float, full: float, worst: float, total: float) -> tuple[str, str, str, str]:
    return (f"{start:.0f}", f"{full:.0f}", f"{worst:.0f}", f"{worst / total * 100:.1f}")


def _cells(bar: Bar, width: int) -> list[tuple[Segment, bool, int]]:
    """Cells of each piece; rounded at its ends, so that all together are the width."""
    pieces: list[tuple[Segment, bool, float]] = []
    for segment in bar.segments:
        if segment.name == "free":
            pieces.append((segment, False, segment.worst))
        else:
            pieces += [(segment, False, segment.start), (segment, True, segment.worst - segment.start)]
    cells, end, before = [], 0.0, 0
    for segment, grown, size in pieces:
        end += size
        edge = max(before, min(width, round(end / bar.total_mib * width)))
        cells.append((segment, grown, edge - before))
        before = edge
    return cells
