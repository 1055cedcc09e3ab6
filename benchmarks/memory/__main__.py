"""Starts a server for every case on every ground of truth, holds our formulas against its log, writes the tables."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.memory.capture import Capture, header_of
from benchmarks.memory.cases import all_cases
from benchmarks.memory.compare import rows
from benchmarks.memory.models import Dimensions, write_model
from benchmarks.memory.regression import kept_for_tests
from benchmarks.memory.results import read_truths, write_results, write_truths
from benchmarks.memory.table import Compared, text
from benchmarks.memory.truth import Runtime, Truth
from strixkit.errors import InputError
from strixkit.planner.shape import ModelShape, shape_from_header
from strixkit.rehearsal.errors import RehearsalError

HERE = Path(__file__).parent
RESULT = HERE / "result.json"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--runtime", action="append", default=[], metavar="NAME=FAMILY,BINARY,INCLUDE[,CHROOT]")
    parser.add_argument("--real", action="append", default=[], metavar="NAME", help="a runtime that also computes")
    parser.add_argument("--folder", type=Path, help="for the models and the compiled device")
    parser.add_argument("--port", type=int, default=0, help="of the servers; any that is free")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in `GROUP: NAME`; others stay")
    parser.add_argument("--save-truths", type=Path, metavar="FILE", help="the runs that the unit tests keep")
    parser.add_argument("--missing", action="store_true", help="only what result.json has not")
    return parser.parse_args()


def capture(chosen: argparse.Namespace) -> None:
    """Add a truth for each case and ground to RESULT, in the place of what was there of it."""
    everything = all_cases()
    order = {case: number for number, case in enumerate(everything)}
    before = read_truths(RESULT) if RESULT.exists() else []
    kept = {key_of(truth): truth for truth in before if truth.case in order}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        run = Capture(
            [Runtime.of(words) for words in chosen.runtime],
            chosen.real,
            Path(folder),
            chosen.port,
            set(kept) if chosen.missing else (),
            lambda line: print(line, flush=True),
        )
        for truth in run.truths([case for case in everything if chosen.only in f"{case.group}: {case.name}"]):
            kept[key_of(truth)] = truth
            # After each: it takes long, and may be stopped.
            write_truths(RESULT, sorted(kept.values(), key=lambda truth: order[truth.case]))


def key_of(truth: Truth) -> tuple[str, str]:
    return truth.case.name, truth.ground


def shapes_of(models: set[Dimensions]) -> dict[Dimensions, ModelShape]:
    """As the planner reads them from the files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        return {model: shape_from_header(header_of(write_model(path, model))) for model in models}


def main() -> int:
    chosen = options()
    try:
        if chosen.runtime:
            capture(chosen)
        truths = read_truths(RESULT)
    except (InputError, RehearsalError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    shapes = shapes_of({truth.case.model for truth in truths})
    found = [Compared(truth, rows(shapes[truth.case.model], truth)) for truth in truths]
    write_results(RESULT, found)
    (HERE / "result.md").write_text(text(found))
    print(text(found))
    if chosen.save_truths:
        write_truths(chosen.save_truths, kept_for_tests(truths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
