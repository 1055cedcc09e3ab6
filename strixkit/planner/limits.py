"""Bounds of what a box says of itself: the agent keeps to them, and the controller believes no answer beyond them."""

from __future__ import annotations

MOST_BYTES = 1 << 50  # no box has a pebibyte of memory: a larger number is no answer that could be planned with
MOST_ENTRIES = 256  # of a list or a table
MOST_NAME = 256  # characters of a name, a path, a version
MOST_TEXT = 4096  # characters of a longer text: the kernel takes no longer command line (COMMAND_LINE_SIZE)
MOST_NUMBER = (1 << 63) - 1
MOST_PROBE = 256 * 1024  # characters of the kept results of strix-probe; those of all backends have about 40 KiB
