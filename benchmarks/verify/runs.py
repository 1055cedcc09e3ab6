"""The commands of one round, timed."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PASSES = 10  # of a warm round; both numbers are the best of so many, as STREAM's are


@dataclass(frozen=True)
class Pair:
    """Two speeds of one round, in GB/s (10^9 bytes a second)."""

    verify: float
    floor: float

    @property
    def ratio(self) -> float:
        return self.verify / self.floor


def timed(argv: list[str | Path]) -> float:
    """Seconds that a command takes; its failure is ours."""
    begun = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - begun


def drop(model: Path) -> None:
    """Take the file out of the page cache, and make sure of it."""
    with model.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    asked = subprocess.run(["fincore", "--noheadings", "--output", "PAGES", model], check=True, capture_output=True)
    if int(asked.stdout) != 0:
        raise SystemExit(f"{model}: {int(asked.stdout)} pages stay in the page cache; is a server using it?")


def cold(tools: Path, model: Path, number: int) -> Pair:
    """One round from the disk; in every second one strix-verify comes first."""
    size = model.stat().st_size / 1e9
    commands: dict[str, list[str | Path]] = {
        "dd": ["dd", f"if={model}", "of=/dev/null", "bs=4M", "iflag=direct"],
        "verify": [tools / "verify/strix-verify", model],
    }
    speeds: dict[str, float] = {}
    for name in sorted(commands, reverse=bool(number % 2)):
        drop(model)
        speeds[name] = size / timed(commands[name])
    return Pair(speeds["verify"], speeds["dd"])


def warm(tools: Path, model: Path, threads: int) -> Pair:
    """One round from the page cache."""
    size = model.stat().st_size / 1e9
    timed(["cat", model])
    verify = size / min(timed([tools / "verify/strix-verify", "--threads", str(threads), model]) for _ in range(PASSES))
    memory = subprocess.run([tools / "bench/read-bandwidth", str(threads)], check=True, capture_output=True)
    return Pair(verify, float(memory.stdout))
