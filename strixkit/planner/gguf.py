"""Reader of GGUF headers (v2 and v3): metadata and tensor infos, never the weights.

Stands alone on purpose: only the standard library, Python 3.9, nothing of strixkit, since the agent on the
box imports this same file. A hostile file costs a bounded amount of time and memory, then a `GgufError`.

Format: ggml's docs/gguf.md and gguf.cpp. Ids and block sizes of types: ggml.h and ggml-common.h, and those of
the ROCmFP4 fork (ROCmFPX) for the ids from 100 on.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO, NamedTuple

MAGIC = b"GGUF"
# Far above what real files have; a header that claims more is not read on.
MAX_KEYS = 4096
MAX_TENSORS = 32768
MAX_STRINGS = 1 << 21  # elements of all string arrays together (vocabulary and merges)
MAX_KEY_BYTES = 1024
MAX_NAME_BYTES = 128
MAX_ALIGNMENT = 1 << 31
MAX_TENSOR_BYTES = 1 << 62  # also of its offset; native/gguf has the same limits
KEPT_STRING_BYTES = 1 << 20  # a longer string is passed over and kept as an Array of bytes
KEPT_TOTAL_BYTES = 4 << 20  # of all kept values together
NUMBER_BYTES = 32  # what one kept number costs in Python
KEPT_NUMBERS = 256
KEPT_STRINGS = 64
WINDOW = 256 * 1024

STRING, ARRAY = 8, 9
# fmt: off
SCALARS = {
    0: ("u8", "<B"), 1: ("i8", "<b"), 2: ("u16", "<H"), 3: ("i16", "<h"), 4: ("u32", "<I"), 5: ("i32", "<i"),
    6: ("f32", "<f"), 7: ("bool", "<?"), 10: ("u64", "<Q"), 11: ("i64", "<q"), 12: ("f64", "<d"),
}
# fmt: on


class GgufError(ValueError):
    """The bytes are not a readable GGUF header.

    kind: "not-gguf", "zeros" (an interrupted quantise: it writes the header last), "truncated" (the file ends
    too early), "incomplete" (the given bytes end too early, the file does not: read more), "malformed".
    offset: the byte where it was seen. needs: of "incomplete", how many first bytes are needed at least.
    """

    def __init__(self, kind: str, message: str, offset: int, needs: int = 0) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.kind = kind
        self.offset = offset
        self.needs = needs


class GgmlType(NamedTuple):
    """A tensor type: `block` elements take `size` bytes."""

    name: str
    block: int
    size: int


# id, name, elements in a block, bytes of a block
# fmt: off
_ROWS = (
    (0, "f32", 1, 4), (1, "f16", 1, 2), (2, "q4_0", 32, 18), (3, "q4_1", 32, 20),
    (6, "q5_0", 32, 22), (7, "q5_1", 32, 24), (8, "q8_0", 32, 34), (9, "q8_1", 32, 36),
    (10, "q2_k", 256, 84), (11, "q3_k", 256, 110), (12, "q4_k", 256, 144), (13, "q5_k", 256, 176),
    (14, "q6_k", 256, 210), (15, "q8_k", 256, 292), (16, "iq2_xxs", 256, 66),
    (17, "iq2_xs", 256, 74), (18, "iq3_xxs", 256, 98), (19, "iq1_s", 256, 50),
    (20, "iq4_nl", 32, 18), (21, "iq3_s", 256, 110), (22, "iq2_s", 256, 82),
    (23, "iq4_xs", 256, 136), (24, "i8", 1, 1), (25, "i16", 1, 2), (26, "i32", 1, 4),
    (27, "i64", 1, 8), (28, "f64", 1, 8), (29, "iq1_m", 256, 56), (30, "bf16", 1, 2),
    (34, "tq1_0", 256, 54), (35, "tq2_0", 256, 66), (39, "mxfp4", 32, 17), (40, "nvfp4", 64, 36),
    (41, "q1_0", 128, 18), (42, "q2_0", 64, 18), (100, "q4_0_rocmfp4", 32, 18),
    (101, "q4_0_rocmfp4_fast", 32, 17), (102, "q6_0_rocmfpx", 32, 26),
    (103, "q8_0_rocmfpx", 32, 33), (104, "q3_0_rocmfpx", 32, 14), (105, "turbo3", 32, 14),
    (106, "turbo4", 32, 18),
)
# fmt: on
TYPES = {type_id: GgmlType(name, block, size) for type_id, name, block, size in _ROWS}
STOCK_TYPES = frozenset(i for i in TYPES if i < 43)
# The fork branched before upstream's q2_0 (42).
ROCMFP4_TYPES = frozenset(TYPES) - {42}


class Array(NamedTuple):
    """A metadata array, or a very long string, that was passed over: element type and length are known."""

    element: str
    length: int


class Tensor(NamedTuple):
    """A tensor info. `shape[0]` is the row length; `offset` counts bytes from the start of the data.

    `nbytes` is computed from the type, or for an unknown type the room up to the next tensor.
    """

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int
    nbytes: int


class Header(NamedTuple):
    """All of a GGUF but the weights. `metadata` values are int, float, bool, str, list or Array."""

    version: int
    metadata: dict[str, object]
    tensors: tuple[Tensor, ...]
    data_offset: int
    alignment: int


def read_header(source: bytes | BinaryIO, total_size: int | None = None) -> Header:
    """Read the header from a seekable binary file, or from the first bytes of one.

    total_size: size of the whole file in bytes, for when `source` holds only its beginning.
    Raises GgufError only, apart from OSError of the file itself.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    available = stream.seek(0, io.SEEK_END)
    cursor = _Cursor(stream, available, available if total_size is None else total_size)
    _check_magic(cursor)
    version = _number(cursor, "<I")
    if version not in (2, 3):
        raise cursor.error("malformed", f"GGUF version {version} is not supported, only 2 and 3", -4)
    tensor_count = _count(cursor, MAX_TENSORS, "tensors", 24)
    key_count = _count(cursor, MAX_KEYS, "metadata keys", 13)
    metadata = _metadata(cursor, key_count)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise cursor.error("malformed", f"general.alignment is {alignment!r}, not a power of two up to 2^31")
    infos = _tensor_infos(cursor, tensor_count, alignment)
    data_offset = _align(cursor.position, alignment)
    tensors = _with_sizes(infos, data_offset, max(0, cursor.total - data_offset))
    return Header(version, metadata, tensors, data_offset, alignment)


def expected_file_size(header: Header) -> int:
    """Least size in bytes of a complete file with this header (writers may pad the last tensor)."""
    if not header.tensors:
        return header.data_offset - header.alignment + 1
    return header.data_offset + max(t.offset + t.nbytes for t in header.tensors)


def check_size(header: Header, total_size: int) -> None:
    """Raise GgufError "truncated" if a file of `total_size` bytes cannot hold the weights."""
    expected = expected_file_size(header)
    if total_size < expected:
        message = f"the file is truncated: it has {total_size} bytes, its tensors need {expected}"
        raise GgufError("truncated", message, total_size)


def unknown_types(header: Header, known: frozenset[int]) -> dict[int, list[str]]:
    """Tensors that a runtime which knows the types `known` must refuse: type id -> names of tensors."""
    found: dict[int, list[str]] = {}
    for tensor in header.tensors:
        if tensor.type_id not in known:
            found.setdefault(tensor.type_id, []).append(tensor.name)
    return found


def summary(header: Header, total_size: int) -> dict[str, object]:
    """The header as JSON values, for the way from a box to the controller. Raises GgufError if truncated."""
    check_size(header, total_size)
    return to_json(header)


def to_json(header: Header) -> dict[str, object]:
    """The header as JSON values, whether the file is complete or not."""
    metadata = {k: v._asdict() if isinstance(v, Array) else v for k, v in header.metadata.items()}
    return {**header._asdict(), "metadata": metadata, "tensors": [list(tensor) for tensor in header.tensors]}


def from_summary(answer: dict[str, Any]) -> Header:
    """The header again from what `summary` gave, after its way through JSON."""
    metadata = {k: Array(**v) if isinstance(v, dict) else v for k, v in answer["metadata"].items()}
    rows = answer["tensors"]
    tensors = tuple(Tensor(name, tuple(shape), *numbers) for name, shape, *numbers in rows)
    return Header(answer["version"], metadata, tensors, answer["data_offset"], answer["alignment"])


class _Cursor:
    """Reads forward through a small window; knows how much there is and how much there should be."""

    def __init__(self, stream: BinaryIO, available: int, total: int) -> None:
        self.stream = stream
        self.available = available
        self.total = max(total, available)
        self.position = 0
        self.kept = 0
        self.strings = 0
        self._window = b""
        self._start = 0

    def error(self, kind: str, message: str, shift: int = 0) -> GgufError:
        return GgufError(kind, message, self.position + shift)

    def need(self, size: int) -> None:
        """Fail unless `size` more bytes are there."""
        if self.position + size <= self.available:
            return
        if self.position + size <= self.total:
            message = f"{size} more bytes of the header are needed"
            raise GgufError("incomplete", message, self.position, self.position + size)
        raise self.error("truncated", f"the file ends inside the header: {size} more bytes announced")

    def take(self, size: int) -> bytes:
        self.need(size)
        begin = self.position - self._start
        if begin < 0 or begin + size > len(self._window):
            self._fill(size)
            begin = 0
        self.position += size
        return self._window[begin : begin + size]

    def skip(self, size: int) -> None:
        self.need(size)
        self.position += size

    def skip_strings(self, count: int) -> None:
        """Pass over `count` length-prefixed strings; a vocabulary has hundreds of thousands."""
        unpack = struct.Struct("<Q").unpack_from
        while count:
            self.need(8)
            self._fill(8)
            window, index, last = self._window, 0, len(self._window) - 8
            while count and index <= last:
                begin = index + 8
                index = begin + unpack(window, index)[0]
                count -= 1
            if self.position + index > self.available:
                self.skip(begin)  # the error names the string that does not fit
                self.need(index - begin)
            self.skip(index)

    def _fill(self, size: int) -> None:
        self.stream.seek(self.position)
        self._window = self.stream.read(max(size, WINDOW))
        self._start = self.position
        if len(self._window) < size:
            raise self.error("truncated", "the file became shorter while it was read")


def _check_magic(cursor: _Cursor) -> None:
    if cursor.available == 0:
        raise cursor.error("truncated", "the file is empty")
    head = cursor.take(min(4096, cursor.available))
    cursor.position = 0
    if not head.strip(b"\0"):
        message = "the file starts with zero bytes: an interrupted quantise, which writes the header last"
        raise cursor.error("zeros", message)
    if head[:4] != MAGIC[: len(head)]:
        raise cursor.error("not-gguf", f"not a GGUF file: it starts with {head[:4]!r}, not {MAGIC!r}")
    cursor.skip(4)


def _number(cursor: _Cursor, layout: str) -> int:
    return int(struct.unpack(layout, cursor.take(struct.calcsize(layout)))[0])


def _count(cursor: _Cursor, limit: int, what: str, least_bytes: int) -> int:
    """A count of things of at least `least_bytes` each, held against the limit and the size of the file."""
    count = _number(cursor, "<Q")
    if count > limit:
        raise cursor.error("malformed", f"{count} {what} announced, more than {limit}", -8)
    if count * least_bytes > cursor.total - cursor.position:
        raise cursor.error("truncated", f"{count} {what} announced, more than the file has room for", -8)
    return count


def _text(cursor: _Cursor, limit: int, what: str) -> str:
    size = _number(cursor, "<Q")
    if size > limit:
        raise cursor.error("malformed", f"{what} of {size} bytes, more than {limit}", -8)
    try:
        return cursor.take(size).decode("utf-8")
    except UnicodeDecodeError as error:
        raise cursor.error("malformed", f"{what} is not UTF-8", -size) from error


def _metadata(cursor: _Cursor, count: int) -> dict[str, object]:
    metadata: dict[str, object] = {}
    for _ in range(count):
        key = _text(cursor, MAX_KEY_BYTES, "metadata key")
        if key in metadata:
            raise cursor.error("malformed", f"metadata key {key[:80]!r} occurs twice")
        kind = _number(cursor, "<I")
        metadata[key] = _array(cursor) if kind == ARRAY else _value(cursor, kind)
    return metadata


def _value(cursor: _Cursor, kind: int) -> object:
    if kind == STRING:
        return _string(cursor)
    if kind not in SCALARS:
        raise cursor.error("malformed", f"unknown metadata type {kind}", -4)
    layout = SCALARS[kind][1]
    value: object = struct.unpack(layout, cursor.take(struct.calcsize(layout)))[0]
    return value


def _string(cursor: _Cursor) -> str | Array:
    """A string value, or for a very long one (an embedded tokenizer) its length. Wrong UTF-8 is replaced."""
    size = _number(cursor, "<Q")
    cursor.need(size)
    if size > KEPT_STRING_BYTES or cursor.kept + size > KEPT_TOTAL_BYTES:
        cursor.skip(size)
        return Array("byte", size)
    cursor.kept += size
    return cursor.take(size).decode("utf-8", errors="replace")


def _array(cursor: _Cursor) -> list[object] | Array:
    kind = _number(cursor, "<I")
    count = _number(cursor, "<Q")
    if kind == STRING:
        cursor.strings += count
        if cursor.strings > MAX_STRINGS:
            raise cursor.error("malformed", f"array of {count} strings: more than {MAX_STRINGS} in all", -8)
        if count <= KEPT_STRINGS:
            return [_string(cursor) for _ in range(count)]
        cursor.need(8 * count)
        cursor.skip_strings(count)
        return Array("string", count)
    if kind not in SCALARS:
        raise cursor.error("malformed", f"array of unknown metadata type {kind}", -12)
    name, layout = SCALARS[kind]
    size = struct.calcsize(layout) * count
    if count > KEPT_NUMBERS or cursor.kept + count * NUMBER_BYTES > KEPT_TOTAL_BYTES:
        cursor.skip(size)
        return Array(name, count)
    cursor.kept += count * NUMBER_BYTES
    return [item[0] for item in struct.iter_unpack(layout, cursor.take(size))]


def _tensor_infos(cursor: _Cursor, count: int, alignment: int) -> list[Tensor]:
    """The infos as written, with nbytes 0 for unknown types."""
    infos: list[Tensor] = []
    names: set[str] = set()
    for _ in range(count):
        name = _text(cursor, MAX_NAME_BYTES, "tensor name")
        if name in names:
            raise cursor.error("malformed", f"tensor {name!r} occurs twice")
        names.add(name)
        rank = _number(cursor, "<I")
        if rank > 4:
            raise cursor.error("malformed", f"tensor {name!r} has {rank} dimensions, more than 4", -4)
        shape = tuple(_number(cursor, "<Q") for _ in range(rank))
        type_id = _number(cursor, "<I")
        offset = _number(cursor, "<Q")
        if offset % alignment:
            raise cursor.error("malformed", f"tensor {name!r} is not aligned to {alignment} bytes", -8)
        if offset >= MAX_TENSOR_BYTES:
            raise cursor.error("malformed", f"tensor {name!r} has the impossible offset {offset}", -8)
        infos.append(Tensor(name, shape, type_id, offset, _known_bytes(cursor, name, shape, type_id)))
    return infos


def _known_bytes(cursor: _Cursor, name: str, shape: tuple[int, ...], type_id: int) -> int:
    elements = 1
    for extent in shape:
        elements *= extent
    if elements >= 1 << 63:
        raise cursor.error("malformed", f"tensor {name!r} has the impossible shape {shape}")
    if type_id not in TYPES:
        return 0
    kind = TYPES[type_id]
    row = shape[0] if shape else 1
    if row % kind.block:
        message = f"tensor {name!r}: a row of {row} is not a multiple of {kind.block} ({kind.name})"
        raise cursor.error("malformed", message)
    if elements // kind.block >= MAX_TENSOR_BYTES // kind.size:
        raise cursor.error("malformed", f"tensor {name!r} has the impossible shape {shape}")
    return elements // kind.block * kind.size


def _with_sizes(infos: list[Tensor], data_offset: int, data_size: int) -> tuple[Tensor, ...]:
    """Fill in the sizes of unknown types and refuse overlaps. Keeps the order of the file."""
    sized: dict[str, Tensor] = {}
    follower: Tensor | None = None
    for info in sorted(infos, key=lambda info: info.offset, reverse=True):
        room = (follower.offset if follower else max(data_size, info.offset)) - info.offset
        known = info.type_id in TYPES
        if follower and (info.nbytes > room or (not known and room == 0)):
            message = f"tensors {info.name!r} and {follower.name!r} overlap"
            raise GgufError("malformed", message, data_offset + follower.offset)
        sized[info.name] = info if known else info._replace(nbytes=room)
        follower = info
    return tuple(sized[info.name] for info in infos)


def _align(position: int, alignment: int) -> int:
    return (position + alignment - 1) // alignment * alignment
