"""The matrix of profiles and boxes, for people."""

from __future__ import annotations

from collections.abc import Sequence

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.planner.matrix import Cell

HEAD = ("profile", "variant", "box", "KV", "context", "checkpoints", "start", "full", "of")


def lines(cells: Sequence[Cell], model: str, runtime: str) -> list[str]:
    """A line for each profile and box (a profile's name stands once), and why some do not fit."""
    rows = [HEAD]
    for before, cell in zip([None, *cells], cells, strict=False):
        again = before is not None and before.profile == cell.profile
        rows.append((*(("", "") if again else (cell.profile, cell.variant)), one_line(cell.box), *_numbers(cell)))
    refused = [one_line(f"{cell.profile} does not fit {cell.box}: {cell.why}") for cell in cells if cell.why]
    title = f"model {model}, runtime {runtime}; MiB on the device, each service alone on its box"
    return [title, *columns(rows, right=range(4, len(HEAD))), *refused]


def _numbers(cell: Cell) -> tuple[str, str, str, str, str, str]:
    budget = f"{cell.budget_mib:.0f}"
    if cell.choice is None:
        return ("-", "none fits", "-", "-", "-", budget)
    choice, start, full = cell.choice, cell.start_mib or 0, cell.full_mib or 0
    return (choice.kv, str(choice.context), str(choice.checkpoints), f"{start:.0f}", f"{full:.0f}", budget)
