"""`python -m strixkit.golden.dequantise OUT.gguf`: tiny-pred-strix.gguf with plain f16 weights, for llama-quantize.

So llama.cpp gets the same model in its own types; see README.md here. The layout of the ROCmFP4 types is described in
docs of native/; what is copied unchanged are all keys and the tensors of other types.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

from strixkit.golden import HERE
from strixkit.planner import gguf

F16 = 1
DUAL, FAST = 100, 101  # q4_0_rocmfp4 and q4_0_rocmfp4_fast: 32 weights in 18 and 17 bytes
VALUES = np.array([0, 1, 2, 3, 4, 6, 8, 10], np.float32) / 2
CODES = np.concatenate([VALUES, -VALUES])
FIXED = 24  # magic, version, number of tensors, number of keys


def scales(codes: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Unsigned E4M3 without infinities: bias 7, below 8 subnormal."""
    exponent, mantissa = (codes >> 3).astype(np.int32), (codes & 7).astype(np.float32)
    normal = (1 + mantissa / 8) * np.exp2((exponent - 7).astype(np.float32))
    return np.where(exponent == 0, mantissa / 8 * np.float32(2**-6), normal).astype(np.float32)


def weights(data: bytes, type_id: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Decode blocks of 16 bytes with two codes each (low nibble j, high nibble j + 16) and one or two scales."""
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 18 if type_id == DUAL else 17)
    packed, scale = blocks[:, :16], scales(blocks[:, 16:])
    low, high = CODES[packed & 15] * scale[:, :1], CODES[packed >> 4] * scale[:, -1:]
    return np.concatenate([low, high], axis=1).ravel()


def main() -> int:
    """Write the file."""
    source = HERE / "tiny-pred-strix.gguf"
    data = source.read_bytes()
    with source.open("rb") as handle:
        header = gguf.read_header(handle, len(data))
    first = header.tensors[0].name.encode()
    keys_end = data.index(struct.pack("<Q", len(first)) + first, FIXED)
    infos, body = bytearray(), bytearray()
    for tensor in header.tensors:
        raw = data[header.data_offset + tensor.offset :][: tensor.nbytes]
        type_id = tensor.type_id
        if type_id in (DUAL, FAST):
            raw, type_id = weights(raw, type_id).astype(np.float16).tobytes(), F16
        name = tensor.name.encode()
        infos += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(tensor.shape))
        infos += struct.pack(f"<{len(tensor.shape)}QIQ", *tensor.shape, type_id, len(body))
        body += raw + bytes(-len(raw) % header.alignment)
    start = data[:keys_end] + bytes(infos)
    Path(sys.argv[1]).write_bytes(start + bytes(-len(start) % header.alignment) + bytes(body))
    return 0


if __name__ == "__main__":
    sys.exit(main())
