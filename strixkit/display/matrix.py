"""The matrix of profiles and boxes, for people."""

from __future__ import annotations

from collections.abc import Sequence

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.planner.matrix import Cell

HEAD = ("profile", "variant", "box", "KV", "draft", "context", "batch", "checkpoints", "cache", "start", "full", "of")


def lines(cells: Sequence[Cell], model: str, runtime: str) -> list[str]:
    """A line for each profile and box (a profile's name stands once), and why some do not fit."""
    rows: list[tuple[str, ...]] = [HEAD]
    for before, cell in zip([None, *cells], cells, strict=False):
        again = before is not None and before.profile == cell.profile
        rows.append((*(("", "") if again else (cell.profile, cell.variant)), one_line(cell.box), *_numbers(cell)))
    refused = [one_line(f"{cell.profile} does not fit {cell.box}: {cell.why}") for cell in cells if cell.why]
    title = f"model {model}, runtime {runtime}; MiB on the device, each service alone on its box"
    return [title, *columns(rows, right=range(5, len(HEAD))), *refused]


def _numbers(cell: Cell) -> tuple[str, ...]:
    budget = f"{cell.budget_mib:.0f}"
    if cell.choice is None:
        return ("-", "-", "none fits", "-", "-", "-", "-", "-", budget)
    choice = cell.choice
    draft = f"{choice.draft_max} {choice.draft_kv}" if choice.draft_max >= 0 else "none"
    counts = (choice.context, choice.batch, choice.checkpoints, choice.cache_ram_mib)
    return (choice.kv, draft, *map(str, counts), f"{cell.start_mib or 0:.0f}", f"{cell.full_mib or 0:.0f}", budget)
