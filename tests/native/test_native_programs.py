"""The C++ tests, as compiled for users and with sanitizers, and a short run of the fuzzers from the seeds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.native.gguf_bytes import TINY, write_seeds

FUZZ_SECONDS = 10


def succeeds(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout[-5000:]


def test_unit_tests(tools: Path) -> None:
    succeeds("ctest", "--test-dir", tools / "tests", "--output-on-failure")


def test_unit_tests_with_sanitizers(fuzzers: Path) -> None:
    succeeds("ctest", "--test-dir", fuzzers / "tests", "--output-on-failure")


def codec_seeds(folder: Path) -> None:
    """Real blocks, of both layouts, and the end of the file, which is f32."""
    folder.mkdir()
    data = TINY.read_bytes()
    for number, offset in enumerate((14000, 1_000_000, 3_000_000, len(data) - 1024)):
        (folder / str(number)).write_bytes(data[offset : offset + 1024])


@pytest.mark.parametrize(("target", "limit"), [("fuzz-file", 16384), ("fuzz-codec", 2048)])
def test_fuzzer_finds_nothing(fuzzers: Path, tmp_path: Path, target: str, limit: int) -> None:
    seeds = tmp_path / "seeds"
    if target == "fuzz-file":
        write_seeds(seeds)
    else:
        codec_seeds(seeds)
    options = [f"-max_total_time={FUZZ_SECONDS}", f"-max_len={limit}", "-timeout=10", "-print_final_stats=1"]
    succeeds(fuzzers / "fuzz" / target, *options, seeds, cwd=tmp_path)
