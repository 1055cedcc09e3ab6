"""result.json: one run of a server a line, with the log's sizes and ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.memory.table import Compared
from benchmarks.memory.truth import Truth


def write_results(path: Path, found: Sequence[Compared]) -> None:
    """Write all runs, each with its rows: ours and the log's, in MiB."""
    lines = [
        json.dumps({**item.truth.model_dump(mode="json"), "rows": [_row(asdict(row)) for row in item.rows]})
        for item in found
    ]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def write_truths(path: Path, truths: Sequence[Truth]) -> None:
    """Write the runs without our side."""
    path.write_text("[\n" + ",\n".join(truth.model_dump_json() for truth in truths) + "\n]\n")


def read_truths(path: Path) -> list[Truth]:
    """The runs of either file, without our side."""
    return [Truth.model_validate(_without_rows(line)) for line in json.loads(path.read_text())]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "ours": round(row["ours"], 4), "log": round(row["log"], 4)}


def _without_rows(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "rows"}
