"""Runs a box's systemd-nspawn, and once more whenever the box has rebooted, as a machine would come back.

A program of its own: `keeper.py PID_FILE COMMAND...`. It ends with the box, however that ends.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

REBOOTED = 133  # systemd-nspawn --keep-unit ends with it to be started again


def keep(record: Path, command: list[str]) -> int:
    """Run the command until it ends with something else than REBOOTED; its pid and start time are in `record`."""
    while True:
        with subprocess.Popen(command) as process:
            half = record.with_suffix(".half")
            half.write_text(f"{process.pid} {psutil.Process(process.pid).create_time():.2f}")
            half.rename(record)
            status = process.wait()
        if status != REBOOTED:
            return status


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), sys.argv[2:]))
