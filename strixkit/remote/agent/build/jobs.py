"""How many compilers run at once, and how much memory they may take. Pure."""

from __future__ import annotations

RESERVE_MIB = 2048  # of what is available: for what the box starts meanwhile
LEAST_MIB = 1024  # below it nothing is compiled at all


def memory_limit_mib(available_mib: int) -> int:
    """MiB that all of a build may take together, of what the kernel calls available (MemAvailable)."""
    return max(LEAST_MIB, available_mib - RESERVE_MIB)


def jobs(cores: int, limit_mib: int, job_mib: int, wanted: int = 0, most: int = 0) -> int:
    """Compile jobs at once, at least 1.

    cores: logical ones. limit_mib: from `memory_limit_mib`. job_mib: what one job may take. wanted: as many and not by
    cores and memory; 0: the box decides. most: what an earlier run that ran out of memory has taught; 0: nothing.
    """
    found = wanted or min(cores, limit_mib // max(1, job_mib))
    return max(1, min(found, most or found))


def after_out_of_memory(used: int) -> int:
    """The most jobs of the next run when `used` were too many."""
    return max(1, used // 2)
