"""Headers of models that do not exist: a GGUF without weights, for a server that computes nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from strixkit.planner.gguf import ARRAY, MAGIC, SCALARS, STRING, TYPES
from strixkit.planner.run import round_up

ALIGNMENT = 32  # of GGUF, where the header does not say otherwise

Value = bool | int | float | str | Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]

_TYPE_IDS = {kind.name: number for number, kind in TYPES.items()}
_SCALAR_IDS = {name: number for number, (name, _) in SCALARS.items()}


class TensorInfo(NamedTuple):
    """A tensor by its GGUF name; `shape[0]` is the row length; `kind` is a type's name as "q8_0"."""

    name: str
    shape: tuple[int, ...]
    kind: str


def encode(metadata: Mapping[str, Value], tensors: Iterable[TensorInfo]) -> tuple[bytes, int]:
    """A GGUF v3 header up to the tensor data, and the size in bytes of the whole file that it announces.

    Metadata: bool, int (as u32), float (as f32), str, or a sequence of one of them (ints as i32, as llama.cpp wants the
    types of tokens).
    """
    infos, offset, count = [], 0, 0
    for tensor in tensors:
        infos.append(_info(tensor, offset))
        offset += round_up(tensor_bytes(tensor), ALIGNMENT)
        count += 1
    keys = [_entry(key, value) for key, value in metadata.items()]
    data = b"".join([MAGIC, struct.pack("<IQQ", 3, count, len(keys)), *keys, *infos])
    start = round_up(len(data), ALIGNMENT)
    return data.ljust(start, b"\0"), start + offset


def tensor_bytes(tensor: TensorInfo) -> int:
    """What the values of a tensor take in the file."""
    elements = 1
    for extent in tensor.shape:
        elements *= extent
    kind = TYPES[_TYPE_IDS[tensor.kind]]
    return elements // kind.block * kind.size


def write_sparse(path: Path, header: bytes, size: int) -> Path:
    """Write `header`, then a hole up to `size` bytes, which takes no room on the disk; returns `path`."""
    with path.open("wb") as file:
        file.write(header)
        file.truncate(size)
    return path


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _entry(key: str, value: Value) -> bytes:
    if isinstance(value, (str, bool, int, float)):
        kind = _kind(value)
        return _text(key) + struct.pack("<I", kind) + _payload(kind, value)
    kind = _kind(value[0]) if value else STRING
    if kind == _SCALAR_IDS["u32"]:
        kind = _SCALAR_IDS["i32"]
    items = b"".join(_payload(kind, item) for item in value)
    return _text(key) + struct.pack("<IIQ", ARRAY, kind, len(value)) + items


def _kind(value: bool | int | float | str) -> int:
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return _SCALAR_IDS["bool"]
    if isinstance(value, int):
        return _SCALAR_IDS["u32"]
    return _SCALAR_IDS["f32"]


def _payload(kind: int, value: bool | int | float | str) -> bytes:
    return _text(value) if isinstance(value, str) else struct.pack(SCALARS[kind][1], value)


def _info(tensor: TensorInfo, offset: int) -> bytes:
    extents = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
    return _text(tensor.name) + extents + struct.pack("<IQ", _TYPE_IDS[tensor.kind], offset)
