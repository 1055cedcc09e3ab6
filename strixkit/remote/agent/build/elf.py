"""What a program or library is linked to, read from the file itself: nothing of it is run, and no tool is needed.

Source of the layout: System V ABI, "Object Files" and "Dynamic Linking"
(https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html), for 64-bit little-endian files.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Tuple

IDENTITY = b"\x7fELF\x02\x01"  # 64-bit, little-endian
HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
ENTRY = struct.Struct("<qQ")
LOAD, DYNAMIC = 1, 2
END, NEEDED, STRINGS, STRINGS_SIZE, RPATH, RUNPATH = 0, 1, 5, 10, 15, 29
MOST_SEGMENTS = 512
MOST_DYNAMIC = 1 << 20  # bytes
MOST_STRINGS = 256 << 20  # bytes: names of templates are long, and there are many


class ElfError(ValueError):
    """No ELF file of a kind that is read, or a broken one."""


class Linking(NamedTuple):
    """needed: libraries by name. runpath, rpath: where they are looked for; None where the file says nothing.

    dynamic: whether it is linked dynamically at all.
    """

    dynamic: bool
    needed: "List[str]"
    runpath: "Optional[str]"
    rpath: "Optional[str]"


def linking(handle: BinaryIO) -> Linking:
    """Read it from an open file. Raises ElfError."""
    try:
        return _linking(handle)
    except (struct.error, OverflowError) as error:
        raise ElfError("the file ends in the middle: %s" % error) from error


def _linking(handle: BinaryIO) -> Linking:
    start = _read(handle, 0, HEADER.size)
    if not start.startswith(IDENTITY):
        raise ElfError("no 64-bit little-endian ELF file: it begins with %s" % start[:6].hex())
    fields = HEADER.unpack(start)
    offset, size, count = fields[4], fields[8], fields[9]
    if size != SEGMENT.size or count > MOST_SEGMENTS:
        raise ElfError("%d program headers of %d bytes" % (count, size))
    table = _read(handle, offset, size * count)
    segments = [SEGMENT.unpack_from(table, index * size) for index in range(count)]
    found = [segment for segment in segments if segment[0] == DYNAMIC]
    if not found:
        return Linking(False, [], None, None)
    if len(found) > 1 or found[0][5] > MOST_DYNAMIC:
        raise ElfError("%d dynamic sections, the first of %d bytes" % (len(found), found[0][5]))
    entries = _entries(_read(handle, found[0][2], found[0][5]))
    single = dict(entries)
    strings = _strings(handle, segments, single)
    named = {tag: [_text(strings, value) for key, value in entries if key == tag] for tag in (NEEDED, RPATH, RUNPATH)}
    for tag in (RPATH, RUNPATH):
        if len(named[tag]) > 1:
            raise ElfError("%d search paths of one kind" % len(named[tag]))
    return Linking(True, named[NEEDED], *(named[tag][0] if named[tag] else None for tag in (RUNPATH, RPATH)))


def _read(handle: BinaryIO, offset: int, size: int) -> bytes:
    handle.seek(offset)
    data = handle.read(size)
    if len(data) < size:
        raise ElfError("the file ends in the middle: %d bytes at %d" % (size, offset))
    return data


def _entries(data: bytes) -> "List[Tuple[int, int]]":
    entries: "List[Tuple[int, int]]" = []
    for tag, value in ENTRY.iter_unpack(data[: len(data) // ENTRY.size * ENTRY.size]):
        if tag == END:
            break
        entries.append((tag, value))
    return entries


def _strings(handle: BinaryIO, segments: "List[Tuple[int, ...]]", single: "Dict[int, int]") -> bytes:
    """The table of names; its address counts in memory, so the segment that is loaded there has it."""
    address, size = single.get(STRINGS, 0), single.get(STRINGS_SIZE, 0)
    if size > MOST_STRINGS:
        raise ElfError("names of %d bytes" % size)
    for kind, _, offset, start, _, length, _, _ in segments:
        if kind == LOAD and start <= address < start + length:
            return _read(handle, offset + address - start, size)
    raise ElfError("no segment has the names of its libraries")


def _text(strings: bytes, start: int) -> str:
    end = strings.find(b"\0", start)
    if start >= len(strings) or end < 0:
        raise ElfError("a name at %d of %d bytes" % (start, len(strings)))
    return strings[start:end].decode("utf-8", "replace")
