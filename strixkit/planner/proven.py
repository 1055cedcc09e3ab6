"""What is not proven on a backend: the search does not choose it by itself, and a profile that pins it is warned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strixkit.planner.run import CacheTypes, Family


@dataclass(frozen=True)
class Doubt:
    """A kind of KV types that a family's HIP build serves badly or not at all, why, and where that is known from."""

    family: Family
    applies: Callable[[CacheTypes], bool]
    why: str
    source: str


def _without_kernel(types: CacheTypes) -> bool:
    return bool({types.k, types.v} & {"q4_1", "q5_0", "q5_1", "iq4_nl"})


# The first that applies is told. On Vulkan and on the CPU all types are served.
HIP_DOUBTS = (
    Doubt(
        "rocmfp4",
        lambda types: types.mixed,
        "the fork's HIP build has no flash-attention kernel for K and V of different types",
        "ggml-cuda/fattn.cu: ggml_cuda_get_best_fattn_kernel, without GGML_CUDA_FA_ALL_QUANTS",
    ),
    Doubt(
        "rocmfp4",
        _without_kernel,
        "the fork's HIP build has no flash-attention kernel for this type",
        "ggml-cuda/fattn.cu: ggml_cuda_get_best_fattn_kernel, without GGML_CUDA_FA_ALL_QUANTS",
    ),
    Doubt(
        "rocmfp4",
        lambda types: types.quantised,
        "the fork's HIP build copies a quantised KV to f16 in a pool that grows, is not logged and frees nothing",
        "ggml-cuda/fattn-common.cuh and ggml_cuda_pool_leg; llama.cpp #19979, #22107, #23873; upstream: #23907",
    ),
)


def doubt_of(family: Family, hip: bool, types: CacheTypes) -> str:
    """Why these KV types are not proven on this backend; empty if nothing is known against them."""
    if not hip:
        return ""
    return next((doubt.why for doubt in HIP_DOUBTS if doubt.family == family and doubt.applies(types)), "")
