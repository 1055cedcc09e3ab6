"""Writes GGUF files byte by byte: good ones, hostile ones, and the seeds of the fuzzer.

python -m tests.native.gguf_bytes FOLDER     # writes the seeds
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from strixkit.planner.gguf import TYPES

DATA = Path(__file__).parents[1] / "data"
TINY = DATA / "gguf/tiny-pred-strix.gguf"
TINY_HEADER_BYTES = 13235  # without the padding
ALIGNMENT = 32


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def head(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def key(name: str | bytes, kind: int, payload: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + payload


def array(name: str, kind: int, count: int, payload: bytes = b"") -> bytes:
    return key(name, 9, struct.pack("<IQ", kind, count) + payload)


def info(name: str | bytes, shape: Sequence[int], type_id: int, offset: int) -> bytes:
    extents = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + extents + struct.pack("<IQ", type_id, offset)


def aligned(size: int, alignment: int = ALIGNMENT) -> int:
    return -(-size // alignment) * alignment


def bytes_of(shape: Sequence[int], type_id: int) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size // TYPES[type_id].block * TYPES[type_id].size


def whole_file(
    metadata: Sequence[bytes], tensors: Sequence[tuple[str, Sequence[int], int]], alignment: int = ALIGNMENT
) -> bytes:
    """A complete file whose weights are all zero bytes, which are valid in every type. `metadata` are entries."""
    infos, offset = b"", 0
    for name, shape, type_id in tensors:
        infos += info(name, shape, type_id, offset)
        offset = aligned(offset + bytes_of(shape, type_id), alignment)
    header = head(len(tensors), len(metadata)) + b"".join(metadata) + infos
    return header.ljust(aligned(len(header), alignment), b"\0") + bytes(offset)


def architecture(name: str) -> bytes:
    return key("general.architecture", 8, text(name))


def seeds() -> dict[str, bytes]:
    """Small files for the fuzzer to start from: the beginning of the real one, and one with a tensor of every type."""
    every_type = [(kind.name, (kind.block, 2), type_id) for type_id, kind in TYPES.items()]
    scalars = [key(f"k{kind}", kind, bytes(size)) for kind, size in enumerate((1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8))]
    return {
        "tiny-header": TINY.read_bytes()[: aligned(TINY_HEADER_BYTES)],
        "every-type": whole_file([architecture("qwen35")], every_type),
        "every-value": whole_file(scalars, [("t", (32, 2), 100), ("u", (32, 2), 101)]),
        "unknown-type": head(2, 0) + info("a", (32,), 108, 0) + info("b", (32,), 0, 32) + bytes(400),
        "strings": head(0, 1) + array("words", 8, 3, text("a") + text("") + text("bc")),
    }


def write_seeds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
