"""What llama-quantize and llama-imatrix say: the types that a binary knows, how far they are, and why they failed.

Stands alone, for Python 3.9: the agent on the box reads with this same file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

TYPE_LINE = re.compile(r"^ *([0-9]+) +or +([A-Za-z0-9_]+) *:")
CHUNKS = re.compile(r"computing over ([0-9]+) chunks, n_ctx=([0-9]+)")
LEFT = re.compile(r"seconds per pass - ETA (?:([0-9]+) hours? )?([0-9.]+) minutes")
DONE = re.compile(r"\[([0-9]+)\]-?(?:[0-9.]+|nan|inf),")
TENSOR = re.compile(r"\[ *([0-9]+)/ *([0-9]+)\] +(\S+) +- \[")
UNWEIGHTED = re.compile(r"did not find weights for (\S+)")
NAMES = 32768  # tensors that are remembered, as many as a file may have

# The first that matches in the tool's last lines says why. What follows a colon is for a person: what to do.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"iostream error|unexpected fputc result|No space left on device",
        "no space left on the disk: make room there",
    ),
    (r"invalid ftype '([^']*)'", "the tool does not know the type: llama-quantize --help lists those that it knows"),
    (
        r"failed to open file '([^']*)' for writing",
        "the tool may not write its file: look at the owner of the folder",
    ),
    (
        r"you need at least ([0-9]+) tokens|tokenizes to only",
        "the calibration text is too short: two chunks are the least",
    ),
    (r"tensor '([^']+)' has invalid ggml type ([0-9]+)", "the source has tensor types that this runtime does not know"),
    (r"illegal split file idx", "the tool was not given the first part of its source"),
    (r"data is not within the file bounds|corrupted or incomplete", "the source is incomplete"),
    (r"requantizing from type (\S+) is disabled", "the source is quantised already: start from BF16, F16 or F32"),
    (
        r"ErrorOutOfDeviceMemory|unable to allocate|failed to allocate|std::bad_alloc|out of memory",
        "there is not enough memory: stop the services of the box meanwhile",
    ),
    (r"invalid device|no devices found", "there is no such device: llama-server --list-devices shows them"),
    (r"Missing importance matrix for tensor", "this type needs an importance matrix"),
)


def types_in(text: str) -> dict[str, int]:
    """The types in `llama-quantize --help`, by their names in capitals, with the numbers of general.file_type."""
    found = [TYPE_LINE.match(line) for line in text.splitlines()]
    return {match.group(2).upper(): int(match.group(1)) for match in found if match}


def why(lines: Sequence[str]) -> str:
    """The cause of a failure in words, with the line that tells it; empty when nobody knows it."""
    for pattern, words in CAUSES:
        for line in lines:
            if re.search(pattern, line):
                return f"{words} ({line.strip()[:200]})"
    return ""


class Measuring:
    """Listens to llama-imatrix. chunks: how many there are; 0 until it is said. done: of them."""

    def __init__(self) -> None:
        self.chunks = 0
        self.done = 0
        self._minutes = 0.0

    def __call__(self, line: str, whole: bool) -> str:
        """What to say of a line, or of the beginning of one."""
        found = CHUNKS.search(line)
        if found:
            self.chunks = int(found.group(1))
        found = LEFT.search(line)
        if found:
            self._minutes = float(found.group(1) or 0) * 60 + float(found.group(2))
        numbers = [int(number) for number in DONE.findall(line)]
        if not numbers or not self.chunks:
            return ""
        self.done = max(self.done, *numbers)
        return f"chunk {self.done} of {self.chunks}{self._left()}"

    def _left(self) -> str:
        if not self._minutes or self.done >= self.chunks:
            return ""
        left = self._minutes * (1 - self.done / self.chunks)
        return f", about {round(left)} min left" if left >= 1 else ", less than a minute left"


class Quantizing:
    """Listens to llama-quantize. tensors: how many there are. unweighted: those that the imatrix has nothing of."""

    def __init__(self) -> None:
        self.tensors = 0
        self.done = 0
        self.unweighted: list[str] = []

    def __call__(self, line: str, whole: bool) -> str:
        """What to say of a line. One that is not finished says no more than the whole one will."""
        if not whole:
            return ""
        for name in UNWEIGHTED.findall(line):
            if name not in self.unweighted and len(self.unweighted) < NAMES:
                self.unweighted.append(name)
        found = TENSOR.search(line)
        if not found:
            return ""
        self.done, self.tensors = int(found.group(1)), int(found.group(2))
        return f"tensor {self.done} of {self.tensors}"
