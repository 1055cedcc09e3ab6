"""The command lines of a recipe, word for word as a model's card has them; pure."""

from __future__ import annotations

from strixkit.config.recipe import Importance, Quantized


def imatrix(wish: Importance) -> list[str]:
    """llama-imatrix, with {source}, {text} and {out} for paths."""
    return [
        *("-m", "{source}", "-f", "{text}", "-o", "{out}"),
        *("-dev", wish.device, "-ngl", str(wish.gpu_layers)),
        *("-fa", wish.flash_attention, "-c", str(wish.context)),
    ]


def quantize(wish: Quantized) -> list[str]:
    """llama-quantize, with {imatrix}, {source} and {out} for paths. Options come before the names of files."""
    return [
        *(("--imatrix", "{imatrix}") if wish.imatrix else ()),
        *(("--token-embedding-type", wish.token_embedding) if wish.token_embedding else ()),
        *(("--output-tensor-type", wish.output_tensor) if wish.output_tensor else ()),
        *("{source}", "{out}", wish.type),
    ]
