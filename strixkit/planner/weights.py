"""What the tensors of a file take in the device's memory."""

from __future__ import annotations

from dataclasses import dataclass

from strixkit.planner.gguf import TYPES, Tensor
from strixkit.planner.run import round_up

# Alignment of tensors in a buffer: Vulkan's storage buffers, and HIP (ggml-cuda.cu).
VULKAN_ALIGNMENT = 16
HIP_ALIGNMENT = 128
# HIP pads each quantised matrix to whole rows of so many elements (ggml-cuda.cu: MATRIX_ROW_PADDING).
HIP_ROW = 512


@dataclass(frozen=True)
class Weights:
    """Bytes. device: all but the token embedding; nextn: its part that is the MTP block; hip_padding: HIP's surplus.

    tied: the device's part has a copy of the token embedding, since there is no output matrix.
    """

    device: int
    nextn: int
    hip_padding: int
    token_embedding: int
    tied: bool


def weights_of(tensors: tuple[Tensor, ...], layers: int) -> Weights:
    """The sizes of a model with so many main layers.

    The input embedding stays on the host; a model without an output matrix uses a second copy of it on the
    device (llama-model.cpp: TENSOR_DUPLICATED).
    """
    device = nextn = hip = token_embedding = 0
    has_output = any(tensor.name == "output.weight" for tensor in tensors)
    for tensor in tensors:
        size = round_up(tensor.nbytes, VULKAN_ALIGNMENT)
        if tensor.name == "token_embd.weight":
            token_embedding = size
            if has_output:
                continue
        device += size
        hip += round_up(tensor.nbytes + _row_padding(tensor), HIP_ALIGNMENT) - size
        if _layer_of(tensor.name) >= layers:
            nextn += size
    return Weights(device, nextn, hip, token_embedding, tied=not has_output)


def _row_padding(tensor: Tensor) -> int:
    """ggml-cuda.cu: ggml_backend_cuda_buffer_type_get_alloc_size."""
    kind = TYPES.get(tensor.type_id)
    missing = -tensor.shape[0] % HIP_ROW
    return missing // kind.block * kind.size if kind and kind.block > 1 else 0


def _layer_of(name: str) -> int:
    """N of "blk.N.…", or -1."""
    words = name.split(".")
    return int(words[1]) if words[0] == "blk" and len(words) > 1 and words[1].isdecimal() else -1
