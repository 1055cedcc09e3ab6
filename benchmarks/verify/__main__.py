"""Builds native/, makes a model, runs strix-verify beside dd and beside a memory benchmark, writes the table."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.verify.runs import Pair, cold, timed, warm

HERE = Path(__file__).parent
NATIVE = HERE.parent.parent / "native"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to be measured")
    parser.add_argument("--model", type=Path, help="a GGUF to take instead of making one")
    parser.add_argument("--gib", type=float, default=4.0, help="size of the model that is made")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, action="append", help="of the warm rounds; default: 1 and 2")
    return parser.parse_args()


def build(folder: Path) -> Path:
    """The programs, compiled into `folder`."""
    configure: list[str | Path] = ["cmake", "-S", NATIVE, "-B", folder, "-G", "Ninja", "-DSTRIX_BENCH=ON"]
    timed([*configure, "-DCMAKE_BUILD_TYPE=Release"])
    timed(["cmake", "--build", folder, "--target", "strix-verify", "make-model", "read-bandwidth", "codec-speed"])
    return folder


def median_and_range(numbers: Iterable[float], digits: int) -> str:
    values = sorted(numbers)
    return f"{statistics.median(values):.{digits}f} ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"


def row(name: str, floor: str, pairs: list[Pair]) -> str:
    verify = median_and_range((pair.verify for pair in pairs), 2)
    beside = median_and_range((pair.floor for pair in pairs), 2)
    ratio = median_and_range((100 * pair.ratio for pair in pairs), 0)
    return f"| {name} | {verify} | {floor}: {beside} | {ratio} |"


def table(size: int, results: dict[str, list[Pair]]) -> str:
    rounds = len(next(iter(results.values())))
    lines = [
        f"A file of {size / 1e9:.2f} GB; GB/s and percent, median of {rounds} rounds (least to greatest)",
        "",
        "| file is | strix-verify | beside it | % |",
        "|---|---|---|---|",
    ]
    for name, pairs in results.items():
        lines.append(row(name, "`dd iflag=direct bs=4M`" if name == "cold" else "reading memory", pairs))
    return "\n".join(lines) + "\n"


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        tools = build(folder / "build")
        model = chosen.model or folder / "model.gguf"
        if chosen.model is None:
            timed([tools / "bench/make-model", model, str(chosen.gib)])
        results = {"cold": [cold(tools, model, number) for number in range(chosen.rounds)]}
        for threads in chosen.threads or [1, 2]:
            label = f"warm, {threads} thread{'s' if threads > 1 else ''}"
            results[label] = [warm(tools, model, threads) for _ in range(chosen.rounds)]
        size = model.stat().st_size
        codec = subprocess.run([tools / "bench/codec-speed"], check=True, capture_output=True, text=True).stdout
    kept = {label: [asdict(pair) for pair in pairs] for label, pairs in results.items()}
    (HERE / "result.json").write_text(json.dumps({"bytes": size, "pairs": kept, "codec": codec.split("\n")}, indent=2))
    text = f"{table(size, results)}\nThe codec, Mweights/s of one thread:\n\n```\n{codec}```\n"
    (HERE / "result.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
