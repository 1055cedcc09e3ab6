"""What was made on a host: a table for people, and the same as JSON values."""

from __future__ import annotations

import re
from typing import Any

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.fleet.quantize import Made
from strixkit.host.provenance import Provenance
from strixkit.resources.download import gigabytes

HEAD = ["file", "size", "bits/weight", "tensors", "took", "sha256", "checks"]
BLOCK = re.compile(r"blk\.[0-9]+\.")
SMALL = 100_000  # bytes
BITS = "bits per weight"
# Checks that are no group of tensors.
NUMBERS = ("GB", BITS, "tensors with imatrix data", "MTP head", "file", "chunks", "tensors with data", "vectors")


def lines(made: Made) -> list[str]:
    """One row for each file, and under the table what each was made by."""
    if not made.files:
        return []
    rows = [HEAD, *([one_line(cell) for cell in _row(item)] for item in made.files)]
    return [
        "",
        *columns(rows, right=(1, 2, 4)),
        *(f"  {one_line(line)}" for item in made.files for line in _notes(item)),
    ]


def _row(item: Provenance) -> list[str]:
    found = {check.what: check.found for check in item.checks}
    return [
        item.file,
        gigabytes(item.size) if item.size >= SMALL else f"{item.size / 1e3:.1f} kB",
        found.get(BITS, ""),
        _types(item) or _matrix(found),
        _took(item.seconds),
        item.sha256[:12],
        _verdict(item),
    ]


def _matrix(found: dict[str, str]) -> str:
    return f"{found['tensors with data']} with data, {found['chunks']} chunks" if "chunks" in found else ""


def _types(item: Provenance) -> str:
    """Each type with the number of its matrices."""
    counts: dict[str, int] = {}
    for check in item.checks:
        if check.what not in NUMBERS:
            for part in check.found.split(":")[0].split(", "):
                name, _, count = part.partition(" (")
                if count.rstrip(")").isdigit():
                    counts[name] = counts.get(name, 0) + int(count.rstrip(")"))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))


def _took(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _verdict(item: Provenance) -> str:
    held = [check for check in item.checks if check.wanted]
    if not held:
        return ""
    good = sum(check.ok for check in held)
    return f"{good} of {len(held)} good"


def _notes(item: Provenance) -> list[str]:
    if not item.unweighted or not any(part.name == "imatrix" for part in item.inputs):
        return []
    blocks: dict[str, int] = {}
    for name in item.unweighted:
        block = BLOCK.match(name)
        key = f"{block[0]}*" if block else name
        blocks[key] = blocks.get(key, 0) + 1
    names = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in blocks.items())
    return [f"{item.file}: {len(item.unweighted)} matrices without imatrix data: {names}"]


def document(made: Made) -> dict[str, Any]:
    """The same as JSON values."""
    outcome = made.outcome
    return {
        "host": outcome.host,
        "error": outcome.error,
        "changes": [change.model_dump(mode="json") for change in outcome.changes],
        "notes": [*outcome.notes, *outcome.said],
        "round_trips": outcome.round_trips,
        "made": [item.model_dump(mode="json") for item in made.files],
    }
